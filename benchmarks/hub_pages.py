"""`dermedge bench hub`: the hub's pages over a database as full as a whole programme's.

Server time is from the request to the last byte of the page's HTML; first paint and content are the browser's own:
Chromium's first-contentful-paint, and when the page's first row of data stood there.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from benchmarks.processes import DERMEDGE, end, environment, free_port
from edge import pseudonym
from edge.clock import SystemClock, uuid7
from edge.errors import ConfigError
from edge.terms import groups
from edge.wire import State, Tier
from hub import accounts, database, keys, sessions
from hub.dashboard.office import COOKIE
from hub.desk.urgency import URGENCY
from hub.schema import device_states, devices, encounters, findings
from hub.schema_desk import worklist

SITES = 132
CHUNK_ROWS = 5_000
ROUNDS = 5
START_WITHIN_S = 120.0
SEEN_WITHIN_MS = 120_000
TIERS: tuple[Tier, ...] = ("urgent", "routine", "person", "self_care")
PAGES = (("live", "?lang=en", "[data-finding]"), ("worklist", "worklist", ".queue li"), ("quality", "quality", ".card"))
"""Name, address, and what of its data is waited for."""
PASSWORD = "made for this measurement alone"  # noqa: S105 - of a hub that lives as long as the measurement


@dataclass(frozen=True)
class Timing:
    """One page, medians, milliseconds. paint and content are None where there is no browser."""

    page: str
    server_ms: float
    page_bytes: int
    paint_ms: float | None
    content_ms: float | None


def measure(finding_count: int, device_count: int) -> dict[str, Any]:
    """All pages over a new SQLite database with so many rows; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dermedge-bench-hub-") as folder:
        hub = Path(folder) / "hub"
        keys.create(hub, SystemClock())
        database.create(hub)
        fill(hub, finding_count, device_count)
        with _served(hub) as address:
            token = _sign_in(hub)
            timings = [_page(address, token, *page) for page in PAGES]
    return {
        "findings": finding_count,
        "devices": device_count,
        "rounds": ROUNDS,
        "pages": [msgspec.to_builtins(each) for each in timings],
    }


def fill(hub: Path, finding_count: int, device_count: int) -> None:
    """Rows as events would have made them; one finding a person."""
    rng, now = random.Random(1), datetime.now(UTC)  # noqa: S311 - drawn again alike, no secret
    engine = database.open_database(hub)
    names = [(f"cam-{number}", f"site-{number % SITES}") for number in range(device_count)]
    with engine.begin() as connection:
        rows = [
            {"device": device, "site": site, "seal_key": b"\0" * 32, "sign_key": b"\0" * 32} for device, site in names
        ]
        connection.execute(sa.insert(devices), [row | {"added_at": now} for row in rows])
        state = State(
            ts=now, backlog=3, app="1", clock_synced=True, epoch="e" * 32, last_seq=9, model="lesion-320 1.0.0"
        )
        told = {"online": True, "status_at": now, "state": msgspec.to_builtins(state), "state_at": now}
        connection.execute(
            sa.insert(device_states), [{"device": device, "last_seen_at": now} | told for device, _ in names]
        )
    for start in range(0, finding_count, CHUNK_ROWS):
        made = [_person(rng, now, *rng.choice(names)) for _ in range(min(CHUNK_ROWS, finding_count - start))]
        with engine.begin() as connection:
            for table, place in ((encounters, 0), (findings, 1), (worklist, 2)):
                connection.execute(sa.insert(table), [rows[place] for rows in made])
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def _person(rng: random.Random, now: datetime, device: str, site: str) -> tuple[dict[str, Any], ...]:
    at = now - timedelta(minutes=rng.randrange(60 * 24 * 200))
    mine = {"encounter_id": uuid7(at), "device": device, "site": site}
    label, tier = rng.choice(list(groups())), rng.choices(TIERS, (2, 40, 50, 8))[0]
    score, cohort = rng.random(), {"cohort": f"cohort-{rng.randrange(3)}", "wave": 1}
    seen = {
        "opened_at": at,
        "closed_at": at,
        "outcome": "completed",
        "shots": 40,
        "findings": 1,
        "duration_ms": 9_000,
        "retakes": {"hold-still": 2},
        "tier": tier,
        "participant": pseudonym.make(rng.randbytes),
    }
    found = {
        "finding_id": uuid7(at),
        "event_id": uuid7(at),
        "label": label,
        "score": score,
        "tier": tier,
        "rules": "triage-1",
        "captured_at": at,
        "received_at": at,
        "model_name": "lesion-320",
        "model_version": "1.0.0",
        "model_status": "research",
        "card_sha256": "c" * 64,
        "body_site": "forearm",
        "box_px": [100, 120, 260, 300],
        "frame_size_px": [1280, 720],
        "frame_sequence": 41,
        "observations": 12,
    }
    item = {
        "urgency": URGENCY[tier],
        "tier": tier,
        "label": label,
        "score": score,
        "card_sha256": "c" * 64,
        "findings": 1,
        "since": at,
        "state": "open",
        "blind": False,
        "version": 0,
    }
    return mine | cohort | seen, mine | found, mine | cohort | item


def _sign_in(hub: Path) -> str:
    engine, now = database.open_database(hub), datetime.now(UTC)
    with engine.begin() as connection:
        link = accounts.add(connection, "bench", "reviewer", now)
    token = sessions.use_link(engine, link, PASSWORD, now)
    engine.dispose()
    return token


@contextlib.contextmanager
def _served(hub: Path) -> Iterator[str]:
    port = free_port()
    command = [*DERMEDGE, "hub", "serve", "--dir", str(hub), "--port", str(port), "--no-browser"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
    address, deadline = f"http://127.0.0.1:{port}/", time.monotonic() + START_WITHIN_S
    try:
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ConfigError(f"expected `hub serve` to answer at {address}, it did not: run it by hand to see why")
            time.sleep(0.1)
        yield address
    finally:
        end(process)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}sign-in", timeout=5).close()  # noqa: S310 - our own
    except OSError:
        return False
    return True


def _page(address: str, token: str, name: str, path: str, waited_for: str) -> Timing:
    request = urllib.request.Request(address + path, headers={"Cookie": f"{COOKIE}={token}"})  # noqa: S310 - our own
    server_ms, size = [], 0
    for _ in range(ROUNDS):
        begun = time.monotonic_ns()
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            size = len(answer.read())
        server_ms.append((time.monotonic_ns() - begun) / 1e6)
    painted = _painted(address + path, address, token, waited_for)
    paint, content = (statistics.median(each) for each in zip(*painted, strict=True)) if painted else (None, None)
    return Timing(name, statistics.median(server_ms), size, paint, content)


def _painted(target: str, address: str, token: str, waited_for: str) -> Sequence[tuple[float, float]]:
    """First paint and content of each round, in a new context each: nothing is kept from the round before."""
    program = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        program = None
    if program is None:
        return []
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(ROUNDS):
            context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
            context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
            page = context.new_page()
            page.goto(target, wait_until="commit")
            page.locator(waited_for).first.wait_for(timeout=SEEN_WITHIN_MS)
            content = float(page.evaluate("performance.now()"))
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
            found.append((float(paint), content))
            context.close()
        browser.close()
    return found
