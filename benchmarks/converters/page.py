"""The tables of docs/converter.md out of docs/converter.json: no figure is typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]
_ERROR_MAX = 110
TOOLS = {
    "tensorflow": "`tf.lite.TFLiteConverter`, int8",
    "ai-edge-quantizer": "ai-edge-quantizer alone, `static_wi8_ai8`",
    "onnx2tf": "onnx2tf alone, `-oiqt`",
    "onnx2tf-fixed": "onnx2tf alone, `-oiqt`, after the batch was fixed for it",
    "litert-torch": "litert-torch alone (float)",
}


def write(page: Path, kept: Mapping[str, Any]) -> None:
    """Put each table between its marks, `<!-- NAME -->` and `<!-- end -->`."""
    text = page.read_text(encoding="utf-8")
    results = kept["rows"]
    tables = {
        "models": models(results),
        "beside": beside(results),
        "machine": machines(results),
        "routes": routes(kept["routes"]),
    }
    for name, lines in tables.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marks.search(text):
            raise ValueError(f"expected <!-- {name} --> … <!-- end --> in {page}")
        body = "\n".join(lines)
        text = marks.sub(lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text)  # type: ignore[misc]
    page.write_text(text, encoding="utf-8")


def models(results: Mapping[str, Result]) -> list[str]:
    """One row a model: what the gate measured, size, work, speed, and what the conversion cost."""
    head = (
        "| model | figure, float → int8 | difference, 95 % interval | MB, float → int8 | MMAC | int8 / float time | "
        "converted in | peak memory |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for result in results.values():
        ours = result["ours"]
        if not ours.get("gate"):
            lines.append(f"| {result['title']} | {_short(ours.get('error') or 'no result')} | | | | | | |")
            continue
        figure, difference = _figure(ours["gate"])
        model, speed = ours["model"], ours["latency"]
        lines.append(
            f"| {result['title']} | {figure}{_repaired(ours)}{_verdict(ours)} | {difference} | "
            f"{ours['float_bytes'] / 1e6:.2f} → {model['bytes'] / 1e6:.2f} | "
            f"{model['mac'] / 1e6:,.0f} | {speed['ratio']:.2f} | {ours['seconds']:.0f} s | "
            f"{ours['peak_memory_bytes'] / 1e6:,.0f} MB |"
        )
    return lines


def beside(results: Mapping[str, Result]) -> list[str]:
    """The same work by plain tools: what each left, and whether anything was said."""
    lines = [
        "| model | converter | figure, float → converted | MB | time | what it said |",
        "|---|---|---|---|---|---|",
    ]
    for result in results.values():
        if not result["beside"]:
            continue
        ours = result["ours"]
        rows = [("**dermedge convert**", ours | {"bytes": (ours.get("model") or {}).get("bytes")}, _ours_said(ours))]
        rows += [(TOOLS[tool], each, _said(each)) for tool, each in result["beside"].items()]
        for tool, each, said in rows:
            figure = _figure(each["gate"])[0] if each.get("gate") else "–"
            size = f"{each['bytes'] / 1e6:.2f}" if each.get("bytes") else "–"
            lines.append(f"| {result['title']} | {tool} | {figure} | {size} | {each['seconds']:.0f} s | {said} |")
    return lines


def routes(result: Result) -> list[str]:
    """Each pair of files of one network; empty where they were not compared."""
    if not result:
        return []
    names = list(result["pairs"][0]["figures"])
    lines = [f"| {result['pictures']} pictures | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for pair in result["pairs"]:
        cells = " | ".join(f"{pair['figures'][name]:.4f}" for name in names)
        lines.append(f"| {pair['first']} – {pair['second']} | {cells} |")
    return lines


def machines(results: Mapping[str, Result]) -> list[str]:
    """What the figures were measured on, each machine once, and how busy it was."""
    told = {
        f"{each['machine']['processor']}, {each['machine']['cores']} cores, {each['machine']['system']}, "
        f"Python {each['machine']['python']}"
        for each in results.values()
    }
    dates = sorted({each["date"] for each in results.values()})
    loads = sorted(load for each in results.values() for load in each["machine"]["load_average"])
    if not dates:
        return []
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return [
        f"Measured on {'; '.join(sorted(told))}; {when}. **Not measured on a Pi.** The machine did other work as well: "
        f"load average {loads[0]:.0f} to {loads[-1]:.0f} while the rows ran, so times are longer than on a free one."
    ]


def line(name: str, result: Result) -> str:
    """One row for the terminal."""
    ours = result["ours"]
    figure = _figure(ours["gate"])[0] if ours.get("gate") else ours.get("error")
    return f"{name}: {figure}; {ours['seconds']} s, {ours['peak_memory_bytes'] / 1e6:,.0f} MB"


def _figure(gate: Mapping[str, Any]) -> tuple[str, str]:
    """The figure that decides, by its name, and its difference with interval."""
    first = gate["figures"][0]
    if gate["kind"] == "task":
        spread = "" if first["low"] is None else f", {100 * first['low']:+.1f} to {100 * first['high']:+.1f}"
        told = f"{first['name']} {first['float_model']:.3f} → {first['converted']:.3f} ({gate['pictures']} pictures)"
        return told, f"{100 * first['difference']:+.2f}{spread}"
    # A mean over a thousand labels is 0.000 whatever happened.
    shown = [
        each for each in gate["figures"] if each["converted"] is not None and not each["name"].startswith("mean p")
    ]
    named = "; ".join(f"{each['name']} {each['converted']:.3f}{_spread(each)}" for each in shown)
    return f"agreement with float: {named} ({gate['pictures']} pictures)", "–"


def _spread(figure: Mapping[str, Any]) -> str:
    """Of a figure of agreement its own interval."""
    return "" if figure.get("low") is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"


def _repaired(ours: Mapping[str, Any]) -> str:
    # Of a layer's name, which has the whole path of its scopes, the last two parts.
    kept = ", ".join(step["what"] for step in (ours.get("steps") or [])[1:] if step["kept"])
    return "; after " + re.sub(r"(?:[\w.]+/)+(?=[\w.]+/)", "", kept) if kept else ""


def _verdict(ours: Mapping[str, Any]) -> str:
    return "" if ours["gate"]["passed"] else "; **the gate failed, no bundle**"


def _ours_said(ours: Mapping[str, Any]) -> str:
    if ours["exit_code"]:
        return f"exit {ours['exit_code']}: {_short(ours.get('error') or '')}"
    return "repaired, and said how" if _repaired(ours) else "gate passed"


def _short(error: str) -> str:
    """Of an error what fits a cell: the gate's figures stand beside it, a framework's graph says nothing here."""
    text = error.partition(" (")[0] if error.startswith("gate: ") else error
    text = text if len(text) <= _ERROR_MAX else f"{text[:_ERROR_MAX].rsplit(' ', 1)[0]} …"
    return text.replace("|", "\\|")


def _said(each: Mapping[str, Any]) -> str:
    if each.get("error"):
        told = _short(each["error"])
        return f"exit {each['exit_code']}: {told}" if each["exit_code"] else f"nothing; then: {told}"
    gate = each["gate"]
    return "nothing" + ("" if gate["passed"] else "; **our gate refuses its file**")
