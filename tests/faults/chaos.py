"""`make chaos`: ten thousand kills, and what else docs/delivery.md claims; resumable, with a seed for every episode.

    python -m tests.faults.chaos [--state DIR] [--kills N] [--seed N] [--limit-s S]
                                 [--only kills|power|network|day|rates]

Each finished episode is a line in DIR/episodes.jsonl, and a run that was ended goes on with the next one. The totals
are told only once all of it is done. Exit 0: all done, and nothing lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.faults.episode import FURTHER, RANDOM, WINDOWS, Episode, Plan
from tests.faults.warm import Warm

KILLS = 10_000
EVENTS_MIN, COMMANDS_MIN, WINDOW_MIN = 50_000, 2_000, 1_000
POWER_CUTS = 1_000
EPISODES, POWER = "episodes.jsonl", "power.json"
NETWORK, DAY, RATES = "network.json", "day.json", "rates.json"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path("build/chaos"), metavar="DIR")
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first episode")
    parser.add_argument(
        "--limit-s", type=float, default=float("inf"), metavar="S", help="begin nothing after this long"
    )
    parser.add_argument("--only", choices=("kills", "power", "network", "day", "rates"), help="one part of it")
    arguments = parser.parse_args(argv)
    arguments.state.mkdir(parents=True, exist_ok=True)
    ends_at = time.monotonic() + arguments.limit_s
    parts: dict[str, Callable[[], bool]] = {
        "power": lambda: cut_power(arguments.state, arguments.seed),
        "kills": lambda: kill(arguments.state, arguments.kills, arguments.seed, ends_at),
        "network": lambda: lose_packets(arguments.state),
        "day": lambda: live_a_day(arguments.state, arguments.seed),
        "rates": lambda: measure(arguments.state),
    }
    done = []
    for name, part in parts.items():
        if arguments.only in {None, name}:
            if time.monotonic() >= ends_at:
                print(f"{name}: not begun, the time is over")
                done.append(False)
            else:
                done.append(part())
    return 0 if all(done) else 1


def kill(state: Path, kills: int, seed: int, ends_at: float) -> bool:
    """Episodes until there are so many kills; whether all of it is done and clean."""
    finished = _read(state / EPISODES)
    devices, hubs = Warm("device"), Warm("hub")
    try:
        while counted(finished) < kills and time.monotonic() < ends_at:
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


def tell(finished: Sequence[dict[str, Any]], kills: int) -> bool:
    """The totals, where they are of the whole; whether there is nothing wrong with them."""
    if counted(finished) < kills:
        print(f"kills: {counted(finished)} of {kills} done in {len(finished)} episodes; no totals before all are")
        return False
    counts: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for each in finished:
        counts.update(each["kills"])
        totals.update({f"events {name}": value for name, value in each["events"].items()})
        totals.update({f"commands {name}": value for name, value in each["commands"].items()})
        totals["a failpoint that nothing came to"] += each["missed"]
    for kind in (*WINDOWS, *RANDOM, *FURTHER):
        print(f"  {counts[kind]:>7}  {kind}")
    for name, value in totals.items():
        print(f"  {value:>7}  {name}")
    print(f"  seeds {finished[0]['seed']} to {finished[-1]['seed']}")
    wanted = {
        **{kind: (counts[kind], WINDOW_MIN) for kind in WINDOWS},
        "events committed": (totals["events committed"], EVENTS_MIN),
        "commands queued": (totals["commands queued"], COMMANDS_MIN),
    }
    short = [name for name, (have, least) in wanted.items() if kills >= KILLS and have < least]
    if short:
        print(f"too few of: {', '.join(short)}")
    return not short and all(each["clean"] for each in finished)


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


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole = path.read_bytes()
    return [json.loads(line) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]


if __name__ == "__main__":
    sys.exit(main())
