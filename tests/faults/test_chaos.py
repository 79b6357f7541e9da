"""The small form of `make chaos`: some dozens of kills in every window, and the control that must lose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import chaos, figures, fuzz_target
from tests.faults.episode import FURTHER, RANDOM, WINDOWS, Episode, Plan
from tests.faults.warm import Warm

SMALL = Plan(at_windows=5, at_further=1, devices=4, hubs=2, brokers=2, commands=25)
NO_FAULTS = {"undone": 0, "doubled": 0}
CONTROL = Plan(at_windows=0, at_further=0, devices=0, hubs=0, brokers=0, commands=0)


@pytest.fixture(scope="module")
def warm() -> Iterator[tuple[Warm, Warm]]:
    devices, hubs = Warm("device"), Warm("hub")
    yield devices, hubs
    devices.stop()
    hubs.stop()


def test_kills_in_every_window_lose_and_double_nothing_in_either_direction(
    tmp_path: Path, warm: tuple[Warm, Warm], capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Episode(tmp_path, 1, SMALL, *warm).play()
    with capsys.disabled():
        print(f"\n{outcome}")
    assert outcome.clean, outcome
    assert outcome.commands["queued"] == outcome.commands["answered"] >= 20
    assert all(outcome.effects[kind] > 0 for kind in ("referral_reply", "resend_from", "tombstone", "refused", "voids"))
    assert all(outcome.kills[kind] == 5 for kind in WINDOWS)
    assert outcome.events["redelivered"] > 0
    assert sum(outcome.kills[kind] for kind in FURTHER) >= len(FURTHER) - 1
    assert sum(outcome.kills[kind] for kind in RANDOM) == 8


def test_a_hub_that_acknowledges_before_its_commit_loses(tmp_path: Path, warm: tuple[Warm, Warm]) -> None:
    """The control: a harness in which nothing can be lost would prove nothing."""
    episode = Episode(tmp_path, 2, CONTROL, *warm, serve="serve_carelessly")
    episode._broker.start()
    try:
        episode._start_hub()
        for _ in range(6):
            episode._hub_at("hub.before_commit")
        episode._quiet_end()
    finally:
        episode._stop_hub(15)  # type: ignore[arg-type]
        episode._broker.stop()
    episode._recount()
    assert episode._outcome.events["lost"] > 0


@pytest.mark.parametrize(("life", "fault"), [("drain_idly", "undone"), ("drain_twice", "doubled")])
def test_a_device_that_answers_and_does_nothing_or_does_it_twice_is_seen(
    tmp_path: Path, warm: tuple[Warm, Warm], life: str, fault: str
) -> None:
    """The control of the recount: every command is recorded and answered once all the same."""
    episode = Episode(tmp_path, 3, CONTROL, *warm)
    episode._broker.start()
    try:
        episode._start_hub()
        for _ in range(6):
            assert episode._devices.wait(episode._device(linger_s=0.5)) == 0
        episode._quiet_end()
        for _ in range(24):
            episode._queue()
        episode._quiet_end(life)
    finally:
        episode._stop_hub(15)  # type: ignore[arg-type]
        episode._broker.stop()
    episode._recount()
    outcome = episode._outcome
    assert outcome.commands["queued"] == outcome.commands["answered"] >= 24
    assert not any(outcome.commands[name] for name in ("lost", "doubled", "altered", "waiting"))
    told = "\n".join(outcome.wrong)
    if fault == "undone":
        assert all(text in told for text in ("should stand as", "has withdrawn", "was to come again", "was applied"))
    assert outcome.effects[fault] > 0
    assert not outcome.clean


def line(number: int, **changes: object) -> dict[str, object]:
    """As an episode leaves it: 250 kills, 50 at each window."""
    counts = dict.fromkeys(("lost", "doubled", "altered", "waiting"), 0)
    return {
        "number": number,
        "seed": number + 1,
        "clean": True,
        "kills": {**dict.fromkeys(WINDOWS, 50), RANDOM[0]: 35, RANDOM[1]: 10, RANDOM[2]: 5},
        "missed": 0,
        "events": {**counts, "committed": 1300, "redelivered": 700},
        "commands": {**counts, "queued": 60},
        "effects": dict.fromkeys(("referral_reply", "resend_from", "tombstone", "refused", "voids"), 9) | NO_FAULTS,
        **changes,
    }


def test_a_part_of_the_whole_is_never_told_as_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert not chaos.tell([line(number) for number in range(39)], 10_000)
    assert capsys.readouterr().out == "kills: 9750 of 10000 done in 39 episodes; no totals before all are\n"
    assert chaos.tell([line(number) for number in range(40)], 10_000)
    told = capsys.readouterr().out
    assert "2000  kills: before the commit" in told
    assert "seeds 1 to 40" in told


@pytest.mark.parametrize(
    "changes",
    [
        {"clean": False},
        {"kills": {**dict.fromkeys(WINDOWS, 50), RANDOM[0]: 49}},
        {"kills": {**dict.fromkeys(WINDOWS, 20), RANDOM[0]: 170}},
        {"events": {"committed": 1200}},
        {"commands": {"queued": 40}},
    ],
)
def test_a_whole_with_something_wrong_in_it_is_not_good(changes: dict[str, object]) -> None:
    assert not chaos.tell([line(number, **changes) for number in range(40)], 10_000)


def test_an_episode_that_did_not_look_at_the_commands_effects_counts_for_nothing(tmp_path: Path) -> None:
    episodes = tmp_path / chaos.EPISODES
    before = {name: value for name, value in line(0).items() if name != "effects"}
    episodes.write_text(json.dumps(before) + "\n" + json.dumps(line(1)) + "\n" + '{"number": 2, "see')
    assert [each["number"] for each in chaos.read(episodes)] == [1]


def test_episodes_are_added_until_there_was_enough_to_lose() -> None:
    """Where a machine is slow, 250 kills see fewer events."""
    short = [line(number, events={"committed": 1240}) for number in range(40)]
    assert not chaos.is_whole(short, 10_000)
    assert chaos.is_whole([*short, line(40)], 10_000)


def test_the_page_has_the_figures_of_what_is_whole_and_keeps_the_others(tmp_path: Path) -> None:
    page, kept = tmp_path / "page.md", tmp_path / "kept.json"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end -->\nafter\n")
    state = tmp_path / "state"
    state.mkdir()
    (state / chaos.FUZZ).write_text('{"runs": 12345, "seconds": 610}')
    episodes = state / chaos.EPISODES
    episodes.write_text("".join(json.dumps(line(number)) + "\n" for number in range(39)))
    assert not figures.keep(state, kept, page)
    told = "the decoders under atheris, which ends at the first crash: runs, seconds"
    assert f"| `fuzz` | {told} | 12,345, 610 |" in page.read_text()
    assert "| `kills` | not done |" in page.read_text()
    (state / chaos.FUZZ).unlink()
    with episodes.open("a") as file:
        file.write(json.dumps(line(39)) + "\n")
    figures.keep(state, kept, page)
    text = page.read_text()
    assert "| `kills` | kills in 40 episodes, seeds 1 to 40 | 10,000 |" in text
    assert "12,345" in text
    assert text.startswith("before\n<!-- figures -->\n|")
    assert text.endswith("<!-- end -->\nafter\n")


def test_the_page_is_what_its_file_says() -> None:
    """No figure was typed."""
    text = figures.PAGE.read_text(encoding="utf-8")
    assert figures.written(text, json.loads(figures.KEPT.read_text(encoding="utf-8"))) == text


def test_the_corpus_of_the_fuzzer_stays_harmless() -> None:
    kept = sorted(fuzz_target.CORPUS.iterdir())
    assert len(kept) > 20
    for path in kept:
        fuzz_target.one(path.read_bytes())
