"""/metrics as Prometheus reads it: a real hub's rows, the real process, and Prometheus itself."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import end, free_port
from hub import schema
from hub.boards import files
from hub.boards.metrics import SAID
from tests.boards.conftest import StartBoards, program
from tests.boards.rows import add_people
from tests.patience import wait_until

HERE = Path(__file__).resolve().parent
BOARDS = HERE.parents[1] / "hub" / "boards"
RULES_TEST = HERE / "rules_test.yml"
SITE, DEVICE = {"site": "ward"}, {"site": "ward", "device": "cam-1"}


def scrape(address: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as answer:
        return str(answer.read().decode())


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            found[each.name, frozenset(each.labels.items())] = each.value
    return found


def refusal(address: str, **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        scrape(address, **headers)
    refused.value.close()
    return refused.value.code


def test_devices_and_people_are_told_and_nothing_about_a_person(busy: sa.Engine, start_boards: StartBoards) -> None:
    text = scrape(start_boards().metrics)
    found = samples(text)

    def value(name: str, **labels: str) -> float | None:
        return found.get((f"dermedge_{name}", frozenset(labels.items())))

    assert value("database_up") == 1
    assert value("ingest_up") == 0
    assert value("devices", site="ward", presence="online") == 1
    assert value("device_online", **DEVICE) == 1
    assert value("device_battery_ratio", **DEVICE) == 0.8
    assert value("device_backlog_events", site="village", device="cam-2") == 40
    assert value("device_battery_ratio", site="village", device="cam-2") is None
    assert value("model_devices", site="ward", model="lesion-320 1.0.0") == 1
    assert value("people_screened", **SITE) == 12
    assert value("findings", **SITE) == 15
    # Two tiers are empty, so small: a third is hidden beside them, or the total would tell that they are.
    assert value("tier_findings", tier="urgent", **SITE) == 9
    assert value("tier_findings", tier="routine", **SITE) is None
    assert value("people_refused", **SITE) is None
    told_of_village = {name for name, labels in found if ("site", "village") in labels}
    assert not told_of_village & {f"dermedge_{name}" for name in ("people_screened", "findings", "tier_findings")}
    with busy.connect() as connection:
        ids = connection.execute(sa.select(schema.encounters.c.encounter_id)).scalars().all()
        ids = [*ids, *connection.execute(sa.select(schema.findings.c.finding_id)).scalars().all()]
    assert ids
    assert not [each for each in ids if each in text]


def test_a_database_that_is_gone_is_told_and_comes_back(busy: sa.Engine, hub: Path, start_boards: StartBoards) -> None:
    address = start_boards().metrics
    busy.dispose()
    away = hub / "away"
    away.mkdir()
    moved = [path for path in hub.iterdir() if path.name.startswith("hub.db")]
    for path in moved:
        path.rename(away / path.name)
    wait_until(lambda: "dermedge_database_up 0.0" in scrape(address), "the database to be missed", within_s=60)
    assert "dermedge_device_online" not in scrape(address)
    for path in away.iterdir():
        path.rename(hub / path.name)
    wait_until(lambda: "dermedge_database_up 1.0" in scrape(address), "the database to be found again", within_s=60)


def test_who_may_ask(hub: Path, start_boards: StartBoards, tmp_path: Path) -> None:
    address = start_boards().metrics
    assert refusal(address.replace("/metrics", "/")) == 404
    assert refusal(address, Host="dermedge.example.org") == 403
    token = "0123456789abcdef0123456789abcdef"
    (tmp_path / "token").write_text(f"{token}\n")
    guarded = start_boards("--token-file", str(tmp_path / "token"), "--host", "0.0.0.0").metrics
    assert refusal(guarded) == 401
    assert refusal(guarded, Authorization=f"Bearer {token}x") == 401
    assert "dermedge_database_up" in scrape(guarded, Authorization=f"Bearer {token}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--host", "0.0.0.0"), "expected --token-file with --host 0.0.0.0"),
        (("--token-file", "nowhere"), "expected a token in nowhere"),
        (("--port", "0"), "expected --port between 1 and 65535, got 0"),
    ],
)
def test_what_cannot_be_is_one_line(
    hub: Path, more: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import dermedge

    assert dermedge.main(["hub", "boards", "run", "--dir", str(hub), *more]) in {64, 78}
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1


def test_rules_and_configuration_are_right_and_every_alert_fires_when_it_should() -> None:
    folder = BOARDS / "prometheus"
    promtool = program("promtool")
    for command in (
        [promtool, "check", "rules", str(folder / "rules.yml")],
        [promtool, "check", "config", str(folder / "prometheus.yml")],
        [promtool, "test", "rules", str(RULES_TEST)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    alerts = [line.split()[-1] for line in (folder / "rules.yml").read_text().splitlines() if "- alert:" in line]
    tested = RULES_TEST.read_text()
    assert len(alerts) > 10
    assert not [each for each in alerts if f"{each} fires" not in tested or f"{each} is quiet" not in tested]


class Prometheus:
    """The real one, with our own files, scraping one hub."""

    def __init__(self, port: int) -> None:
        self._ready = f"http://127.0.0.1:{port}/-/ready"
        self._address = f"http://127.0.0.1:{port}/api/v1"

    def is_ready(self) -> bool:
        """Until then it answers, but with 503."""
        try:
            urllib.request.urlopen(self._ready, timeout=30).close()
        except urllib.error.HTTPError as refused:
            refused.close()
            return False
        except OSError:
            return False
        return True

    def ask(self, what: str, **parameters: str) -> Any:
        query = f"?{urlencode(parameters)}" if parameters else ""
        try:
            with urllib.request.urlopen(f"{self._address}/{what}{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            with refused:
                raise AssertionError(f"{parameters}: {refused.read().decode()}") from refused

    def value(self, query: str) -> list[Any]:
        return list(self.ask("query", query=query)["result"])


@pytest.fixture
def prometheus(busy: sa.Engine, start_boards: StartBoards, tmp_path: Path) -> Iterator[Prometheus]:
    folder, port = tmp_path / "files", free_port()
    assert list(files.write(folder))
    configuration = folder / "prometheus" / "prometheus.yml"
    served = start_boards().metrics.split("/")[2]
    written = configuration.read_text().replace("127.0.0.1:9641", served)
    for setting in ("scrape_interval: 60s", "scrape_timeout: 20s", "evaluation_interval: 60s"):
        assert setting in written
        written = written.replace(setting, f"{setting.split(':')[0]}: 1s")
    configuration.write_text(written)
    command = [program("prometheus"), f"--config.file={configuration}", f"--web.listen-address=127.0.0.1:{port}"]
    log = tmp_path / "prometheus.log"
    with log.open("wb") as into:
        process = subprocess.Popen(
            [*command, f"--storage.tsdb.path={tmp_path / 'tsdb'}"], stdout=into, stderr=into, cwd=tmp_path
        )
    running = Prometheus(port)

    def has_scraped() -> bool:
        assert process.poll() is None, log.read_text()
        return running.is_ready() and bool(running.value('up{job="dermedge"} == 1'))

    try:
        wait_until(has_scraped, "Prometheus to scrape the hub", within_s=90, every_s=0.2)
        yield running
    finally:
        end(process)


def expressions() -> Iterator[str]:
    """Of every panel of every dashboard that ships, with all sites and devices chosen."""
    for path in (BOARDS / "grafana").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield target["expr"].replace("$site", ".*").replace("$device", ".*")


SEEN_ONLY_WHERE_THERE_IS_ONE = {"quarantined_messages", "noticed_total", "ingest_waiting_events"}


@pytest.mark.slow
def test_prometheus_scrapes_it_fires_an_alert_and_answers_every_query_of_the_dashboards(
    prometheus: Prometheus, busy: sa.Engine
) -> None:
    asked = list(expressions())
    assert len(asked) > 15
    for each in asked:
        prometheus.value(each)
    rules = (BOARDS / "prometheus" / "rules.yml").read_text()
    names = set(re.findall(r"dermedge_[a-z0-9_]+", "\n".join([*asked, rules])))
    unseen = {name.removeprefix("dermedge_") for name in names - set(prometheus.ask("label/__name__/values"))}
    assert unseen <= {f"device_{each.name}" for each in SAID} | SEEN_ONLY_WHERE_THERE_IS_ONE
    wait_until(lambda: "DermedgeIngestDown" in states(prometheus), "an alert", within_s=60)
    with busy.begin() as connection:
        add_people(connection, "ward", screened=5)
    told = 'dermedge_people_screened{site="ward"} == 17'
    wait_until(lambda: prometheus.value(told), "the new figure", within_s=60, every_s=0.2)


def states(prometheus: Prometheus) -> set[str]:
    return {each["labels"]["alertname"] for each in prometheus.ask("alerts")["alerts"]}
