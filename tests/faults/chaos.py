"""`make chaos`: ten thousand kills, and what else docs/delivery.md claims; resumable, with a seed for every episode.

    python -m tests.faults.chaos [--state DIR] [--kills N] [--seed N] [--limit-s S]
                                 [--only kills|power|network|day|rates|fuzz|page]

Each finished episode is a line in DIR/episodes.jsonl, and a run that was ended goes on with the next one. The totals
are told only once all of it is done. `page` puts what is done into docs/delivery.json, and from there into
docs/delivery.md; `fuzz` wants `pip install atheris`, and runs only when it is named. Exit 0: all done, and nothing lost
or doubled.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.faults import figures, fuzz_target
from tests.faults.episode import RANDOM, WINDOWS, Episode, Plan
from tests.faults.warm import Warm

KILLS = 10_000
EVENTS_MIN, COMMANDS_MIN, WINDOW_MIN = 50_000, 2_000, 1_000
POWER_CUTS = 1_000
EPISODES, POWER = "episodes.jsonl", "power.json"
NETWORK, DAY, RATES, FUZZ = "network.json", "day.json", "rates.json", "fuzz.json"
FUZZ_S = 610
PARTS = ("power", "kills", "network", "day", "rates", "fuzz", "page")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path("build/chaos"), metavar="DIR")
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first episode")
    parser.add_argument(
        "--limit-s", type=float, default=float("inf"), metavar="S", help="begin nothing after this long"
    )
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    arguments = parser.parse_args(argv)
    arguments.state.mkdir(parents=True, exist_ok=True)
    ends_at = time.monotonic() + arguments.limit_s
    parts: dict[str, Callable[[], bool]] = {
        "power": lambda: cut_power(arguments.state, arguments.seed),
        "kills": lambda: kill(arguments.state, arguments.kills, arguments.seed, ends_at),
        "network": lambda: lose_packets(arguments.state),
        "day": lambda: live_a_day(arguments.state, arguments.seed),
        "rates": lambda: measure(arguments.state),
        "fuzz": lambda: fuzz(arguments.state),
        "page": lambda: figures.keep(arguments.state),
    }
    done = []
    for name, part in parts.items():
        if arguments.only == name or (arguments.only is None and name != "fuzz"):
            if time.monotonic() >= ends_at:
                print(f"{name}: not begun, the time is over")
                done.append(False)
            else:
                done.append(part())
    return 0 if all(done) else 1


def kill(state: Path, kills: int, seed: int, ends_at: float) -> bool:
    """Episodes until there are so many kills, of each kind and with enough between them; whether all of it is clean."""
    finished = read(state / EPISODES)
    devices, hubs = Warm("device"), Warm("hub")
    try:
        while not is_whole(finished, kills) and time.monotonic() < ends_at:
            number = len(finished)
            folder = state / f"episode-{number}"
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was ended in the middle of it
            outcome = Episode(folder, seed + number, Plan(), devices, hubs).play()
            line = {"number": number, "clean": outcome.clean, **vars(outcome)}
            with (state / EPISODES).open("a") as file:
                file.write(json.dumps(line) + "\n")
            finished.append(line)
            if outcome.clean:
                shutil.rmtree(folder)
            verdict = "clean" if outcome.clean else f"NOT CLEAN, see {folder}"
            print(f"episode {number}: {verdict}, {outcome.seconds} s, {counted(finished)} of {kills} kills", flush=True)
    finally:
        devices.stop()
        hubs.stop()
    return tell(finished, kills)


def counted(finished: Sequence[dict[str, Any]]) -> int:
    """The kills that make up the ten thousand: those at the four windows, and those at random."""
    return sum(each["kills"].get(kind, 0) for each in finished for kind in (*WINDOWS, *RANDOM))


def totals(finished: Sequence[dict[str, Any]]) -> dict[str, Counter[str]]:
    """Of all episodes: kills by kind, what became of events and commands, what those did, failpoints not come to."""
    counts = {name: Counter[str]() for name in ("kills", "events", "commands", "effects")}
    for each in finished:
        for name, counter in counts.items():
            counter.update(each[name])
    return {**counts, "missed": Counter(failpoints=sum(each["missed"] for each in finished))}


def is_whole(finished: Sequence[dict[str, Any]], kills: int) -> bool:
    """Whether there are so many kills, and of the whole run enough in each window, with enough to lose between them."""
    counts = totals(finished)
    return counted(finished) >= kills and (
        kills < KILLS
        or (
            min(counts["kills"][kind] for kind in WINDOWS) >= WINDOW_MIN
            and counts["events"]["committed"] >= EVENTS_MIN
            and counts["commands"]["queued"] >= COMMANDS_MIN
        )
    )


def tell(finished: Sequence[dict[str, Any]], kills: int) -> bool:
    """The totals, where they are of the whole; whether there is nothing wrong with them."""
    if not is_whole(finished, kills):
        print(f"kills: {counted(finished)} of {kills} done in {len(finished)} episodes; no totals before all are")
        return False
    for name, counter in totals(finished).items():
        print(*(f"  {count:>7}  {name}: {kind}" for kind, count in counter.items()), sep="\n")
    print(f"  seeds {finished[0]['seed']} to {finished[-1]['seed']}")
    return all(each["clean"] for each in finished)


def cut_power(state: Path, seed: int) -> bool:
    """As many power cuts with FULL, which may lose nothing, as with NORMAL, which must."""
    from tests.faults.powercuts import cut_power as cut

    full, normal = (cut(state, POWER_CUTS, synchronous, seed) for synchronous in ("FULL", "NORMAL"))
    for name, tally in (("FULL", full), ("NORMAL", normal)):
        print(f"power cuts with synchronous={name}, seed {seed}: {tally._asdict()}")
    (state / POWER).write_text(json.dumps({"seed": seed, "FULL": full._asdict(), "NORMAL": normal._asdict()}))
    return (full.lost, full.damaged) == (0, 0) and normal.lost > 0


def lose_packets(state: Path) -> bool:
    """Ten minutes of 30 % packet loss and a black hole of 18 s."""
    from tests.faults.network import Weather, bad_network, missing

    if lacks := missing():
        print(f"packet loss: not done, {lacks}")
        return False
    shutil.rmtree(state / "network", ignore_errors=True)
    result = bad_network(state / "network", Weather(loss_s=600.0, hole_s=18.0))
    print(f"packet loss: {result}")
    (state / NETWORK).write_text(json.dumps(result))
    return bool(result["clean"])


def live_a_day(state: Path, seed: int) -> bool:
    """500 people without a network, then a slow link."""
    from tests.faults.field_day import Day, live

    shutil.rmtree(state / "day", ignore_errors=True)
    result = live(state / "day", Day(), seed)
    if result["clean"]:
        shutil.rmtree(state / "day")
    print(f"field day: {json.dumps(result, indent=2)}")
    (state / DAY).write_text(json.dumps(result))
    return bool(result["clean"])


def measure(state: Path) -> bool:
    """How fast, on the disk of the state's folder."""
    from tests.faults.rates import acknowledgement_ms
    from tests.faults.rates import measure as rates

    folder = state / "rates"
    shutil.rmtree(folder, ignore_errors=True)
    result = {**rates(folder, 5000), "acknowledgement": acknowledgement_ms(folder / "pair", 1000)}
    shutil.rmtree(folder)
    print(f"rates: {json.dumps(result, indent=2)}")
    (state / RATES).write_text(json.dumps(result))
    return bool(result["events"])


def fuzz(state: Path) -> bool:
    """The decoders under atheris for ten minutes, from what is kept in the corpus."""
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: not done; pip install atheris")
        return False
    corpus = state / "corpus"
    corpus.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.faults.fuzz_decoder", str(corpus), str(fuzz_target.CORPUS)]
    done = subprocess.run([*command, f"-max_total_time={FUZZ_S}"], stderr=subprocess.PIPE, text=True, check=False)
    found = re.search(r"Done (\d+) runs in (\d+) second", done.stderr)
    if done.returncode != 0 or found is None:
        print(done.stderr[-2000:])
        return False
    result = {"runs": int(found[1]), "seconds": int(found[2])}
    print(f"fuzz: {result}")
    (state / FUZZ).write_text(json.dumps(result))
    return True


def read(path: Path) -> list[dict[str, Any]]:
    """The finished episodes; those of a harness that did not look at the commands' effects count for nothing."""
    if not path.exists():
        return []
    whole = path.read_bytes()
    lines = map(json.loads, whole[: whole.rfind(b"\n") + 1].splitlines())
    return [line for line in lines if "effects" in line]


if __name__ == "__main__":
    sys.exit(main())
