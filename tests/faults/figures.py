"""The figures of docs/delivery.md, from what the parts of `make chaos` left, by way of docs/delivery.json.

No figure is typed: results and conditions are what the file of the part says; what an older one does not say is left
out. A part that was not done keeps the figures that it had; the kills count only as a whole.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.episode import FURTHER, RANDOM, WINDOWS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, KEPT = DOCS / "delivery.md", DOCS / "delivery.json"
RATIO_AIM = 0.6
"""What a sealed append is to be of a bare one, at least."""
Row = tuple[str, str]


def keep(state: Path, kept: Path = KEPT, page: Path = PAGE) -> bool:
    """Add what is done in this folder to the file, and write the page's table; whether the page has all parts now."""
    figures: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name, figure in found(state).items():
        figures[name] = {**figure, "machine": machine()}
    kept.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    page.write_text(written(page.read_text(encoding="utf-8"), figures), encoding="utf-8")
    lacking = ROWS.keys() - figures.keys()
    print(f"page: {', '.join(sorted(figures))}" + (f"; not done: {', '.join(sorted(lacking))}" if lacking else ""))
    return not lacking


def found(state: Path) -> dict[str, Any]:
    """By part."""
    from tests.faults import chaos

    files = {name: state / f"{name}.json" for name in ("power", "network", "day", "rates", "fuzz")}
    figures = {name: json.loads(path.read_text()) for name, path in files.items() if path.exists()}
    finished = chaos.read(state / chaos.EPISODES)
    if chaos.is_whole(finished, chaos.KILLS):
        counts = {name: dict(counter) for name, counter in chaos.totals(finished).items()}
        seeds = [finished[0]["seed"], finished[-1]["seed"]]
        figures["kills"] = {**counts, "counted": chaos.counted(finished), "episodes": len(finished), "seeds": seeds}
    return figures


def machine() -> dict[str, Any]:
    """What the figures are of."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    name = model[1] if model else platform.machine()
    return {"processor": name, "cores": os.cpu_count(), "python": platform.python_version()}


def written(text: str, figures: Mapping[str, Any]) -> str:
    """The page with this table between its marks. Raises ValueError where it has none."""
    lines = ["| part | what | figure |", "|---|---|---|"]
    for part, rows in ROWS.items():
        told = rows(figures[part]) if part in figures else [("not done", "")]
        lines += [f"| `{part}` | {what} | {figure} |" for what, figure in told]
    machines = {json.dumps(each["machine"]): each["machine"] for each in figures.values()}
    lines += ["", *(f"{_told(each)}." for each in machines.values())]
    marks = re.compile(r"(<!-- figures -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError("expected <!-- figures --> … <!-- end --> in the page")
    body = "\n".join(lines)
    return marks.sub(lambda match: f"{match[1]}{body}\n{match[2]}", text)


def _told(each: Mapping[str, Any]) -> str:
    return f"{each['processor']}, {each['cores']} cores, Python {each['python']}"


def _kills(of: Mapping[str, Any]) -> list[Row]:
    kills, events, commands = of["kills"], of["events"], of["commands"]
    windows = ", ".join(f"{kills[kind]:,} {kind}" for kind in WINDOWS)
    randoms = ", ".join(f"{kills[kind]:,} {kind.removesuffix(' at random')}" for kind in RANDOM)
    further = sum(kills.get(kind, 0) for kind in FURTHER)
    rows = [
        (f"kills in {of['episodes']} episodes, seeds {of['seeds'][0]} to {of['seeds'][1]}", f"{of['counted']:,}"),
        ("at the four windows", windows),
        ("at random times", randoms),
        ("on top of them, in the commands' way and in the hub", f"{further:,}"),
        (
            f"of {events['committed']:,} committed events: lost, doubled, altered",
            f"{events['lost']}, {events['doubled']}, {events['altered']}",
        ),
        ("came to the hub again, and were stored once", f"{events['redelivered']:,}"),
        (
            f"of {commands['queued']:,} commands: lost, doubled, altered",
            f"{commands['lost']}, {commands['doubled']}, {commands['altered']}",
        ),
    ]
    if effects := of.get("effects"):
        told = ("referral_reply", "tombstone", "resend_from", "refused")
        rows += [
            (
                "of these, by what they did: replies to referrals, withdrawals, resends; rightly refused",
                ", ".join(f"{effects[name]:,}" for name in told[:3]) + f"; {effects[told[3]]:,}",
            ),
            ("events that became voids by them", f"{effects['voids']:,}"),
            ("answered and not done; done more than once", f"{effects['undone']}; {effects['doubled']}"),
        ]
    return rows


def _power(of: Mapping[str, Any]) -> list[Row]:
    full, normal = of["FULL"], of["NORMAL"]
    return [
        (
            f"{full['cuts']:,} power cuts, synchronous=FULL, seed {of['seed']}: lost of {full['committed']:,} events; "
            "damaged files",
            f"{full['lost']}; {full['damaged']}",
        ),
        (
            f"the control, {normal['cuts']:,} with synchronous=NORMAL: lost of {normal['committed']:,}",
            f"{normal['lost']:,}",
        ),
    ]


def _network(of: Mapping[str, Any]) -> list[Row]:
    return [
        (
            f"{of['loss_s']:.0f} s of {_told_if('loss_percent', of, '{} % ')}packet loss, in the middle of it "
            f"{of['hole_s']:.0f} s without any packet: lost of {of['committed']:,}; doubled",
            f"{of['lost']}; {of['doubled']}",
        ),
        ("events that came more than once; seconds until the rest was there", f"{of['redelivered']}; {of['drain_s']}"),
    ]


def _day(of: Mapping[str, Any]) -> list[Row]:
    return [
        (
            f"{of['people']} people, {of['findings'] // of['people']} pictures each, without a network, seed "
            f"{of['seed']}: findings kept of {of['findings']:,}; lost",
            f"{of['findings_stored']:,}; {of['lost']}",
        ),
        (
            f"bytes on disk; renditions given up of {of['renditions']:,}",
            f"{of['outbox_bytes']:,}; {of['renditions_given_up']:,}",
        ),
        (
            f"then a slow link{_link(of)}: last urgent event, last finding, all of it, in simulated seconds",
            f"{of['last_urgent_s']}; {of['last_finding_s']}; {of['drained_s']:,}",
        ),
        ("bytes sent for them", f"{of['sent_bytes']:,}"),
    ]


def _link(of: Mapping[str, Any]) -> str:
    if "link_bytes_s" not in of:
        return ""
    return f" of {of['link_bytes_s'] / 1000:g} kB/s and {of['round_trip_s']:g} s there and back"


def _told_if(name: str, of: Mapping[str, Any], text: str) -> str:
    return text.format(f"{of[name]:g}") if name in of else ""


def _rates(of: Mapping[str, Any]) -> list[Row]:
    ack = of["acknowledgement"]
    return [
        (
            f"events made durable a second, one by one, {of['rounds']} turns: sealed, bare SQLite; ratio",
            f"{of['sealed_singly_hz']:,}, {of['bare_singly_hz']:,}; {of['singly_ratio']:.2f}",
        ),
        (
            f"{of['batch']} at once: sealed, bare SQLite; ratio",
            f"{of['sealed_batched_hz']:,}, {of['bare_batched_hz']:,}; {of['batched_ratio']:.2f}",
        ),
        (
            f"so the ratio is {RATIO_AIM:g} or more on a disk where a bare commit takes at least",
            f"{_commit_ms(of):.1f} ms",
        ),
        (
            "the same one by one where a sync costs nothing (a folder in memory): µs an event sealed, bare",
            f"{of['sealed_in_memory_us']}, {of['bare_in_memory_us']}",
        ),
        (
            "from the append of a finding to its mark, over mosquitto and hub on loopback: p50, p99",
            f"{ack['p50_ms']:.1f} ms, {ack['p99_ms']:.1f} ms",
        ),
    ]


def _commit_ms(of: Mapping[str, Any]) -> float:
    """Sealing costs the same on every disk, so the ratio is commit / (commit + that)."""
    sealing_s = 1 / of["sealed_singly_hz"] - 1 / of["bare_singly_hz"]
    return 1e3 * sealing_s * RATIO_AIM / (1 - RATIO_AIM)


def _fuzz(of: Mapping[str, Any]) -> list[Row]:
    return [
        ("the decoders under atheris, which ends at the first crash: runs, seconds", f"{of['runs']:,}, {of['seconds']}")
    ]


ROWS = {"kills": _kills, "power": _power, "network": _network, "day": _day, "rates": _rates, "fuzz": _fuzz}
