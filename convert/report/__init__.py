"""report.html: what a conversion did and how well the result sees, in one page that opens anywhere, without a network.

Drawn from an Account alone. No script, nothing loaded, no picture of the calibration or the evaluation set.
"""

from __future__ import annotations

import html
from importlib.resources import files

from convert.gate.result import GateResult
from convert.report import chinese, figures, words
from convert.report.account import Account
from convert.report.markup import escaped, megabytes, milliseconds, multiplications, section, table
from edge.bundle import Input, Output, VectorInput

LABELS_SHOWN = 20


def render(account: Account) -> str:
    """The page. account.gate and account.card are there: it is drawn only once the gate has spoken."""
    assert account.gate is not None, "a report is drawn once the gate has spoken"
    title = account.card.name if account.card is not None else "conversion"
    sections = [
        _verdict(account, account.gate),
        _numbers(account),
        _done(account),
        figures.gate_section(account.gate),
        figures.parts_section(account.gate),
        figures.scores_section(account),
        figures.repair_section(account),
        figures.layers_section(account.layers, account.recipe),
        _calibration(account),
        _interface(account),
        _origin(account),
    ]
    style = (files("convert.report") / "report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}: conversion report</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<header><h1>{escaped(title)}: conversion report</h1>{_under_title(account)}</header>\n"
        + "\n".join(each for each in sections if each)
        + f"\n<footer>Written by dermedge {escaped(account.dermedge)} with {escaped(account.engine)}. "
        "Research and demonstration; not for clinical use. Nothing in here is a diagnosis.</footer>\n"
        "</main>\n</body>\n</html>\n"
    )


def _under_title(account: Account) -> str:
    card = account.card
    if card is None:
        return ""
    return f'<p class="quiet">version {escaped(card.version)} · task: {card.task} · {escaped(card.notice)}</p>'


def _verdict(account: Account, gate: GateResult) -> str:
    weak = account.calibration is not None and bool(account.calibration.weak)
    if not gate.passed:
        style, words_en = "failed", "The gate failed: no bundle was written"
    elif gate.weak:
        style, words_en = "caution", "The gate passed, but on too few pictures to tell"
    elif gate.kind == "agreement":
        style, words_en = "caution", "The gate passed on agreement only: nobody has measured whether the model is right"
    elif weak:
        style, words_en = "caution", "The gate passed, but the calibration set is weak"
    else:
        style, words_en = "", "The gate passed"
    told = "".join(f'<p lang="zh">{escaped(sentence)}</p>' for sentence in chinese.sentences(account))
    first = f"{gate.sentence[:1].upper()}{gate.sentence[1:]}."
    first += f" {words.too_few(gate)}" if gate.weak else ""
    return f'<section class="verdict {style}"><h2>{words_en}</h2><p>{escaped(first)}</p>{told}</section>'


def _numbers(account: Account) -> str:
    gate, cells = account.gate, []
    first = gate.figures[0] if gate is not None and gate.figures else None
    if first is not None and first.converted is not None:
        under = "" if first.float_model is None else f"float {first.float_model:.3f}"
        if first.float_model is None and first.limit is not None:
            under = f"{figures.limit_side(first)} {first.limit:g} passes"
        cells.append((first.name, f"{first.converted:.3f}", under))
    size = account.model_bytes
    if size and account.source is not None:
        cells.append(("size", megabytes(size), f"float {megabytes(account.source.float_bytes)}"))
    if account.latency is not None:
        speed = account.latency
        under = f"float {milliseconds(speed.float_ms)}, ratio {speed.ratio:.2f}; {speed.threads} thread, this machine"
        cells.append(("one run", milliseconds(speed.converted_ms), under))
    if account.card is not None and account.card.mac:
        cells.append(("work a run", multiplications(account.card.mac), f"{account.card.parameters:,} parameters"))
    tiles = "".join(
        f'<dl class="number"><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>'
        f'<dd class="under">{escaped(under)}</dd></dl>'
        for name, value, under in cells
    )
    return f'<div class="numbers">{tiles}</div>' if cells else ""


def _done(account: Account) -> str:
    items: list[str] = []
    for sentence in words.done(account):
        if sentence.startswith("  ") and items:
            items[-1] += f"<br><small>{escaped(sentence.strip())}</small>"
        else:
            items.append(escaped(sentence))
    steps = "".join(f"<li>{each}</li>" for each in items)
    return section("What was done", "", f'<ol class="steps">{steps}</ol>')


def _calibration(account: Account) -> str:
    facts = account.calibration
    if facts is None:
        return ""
    rows = [
        ("from", escaped(facts.source)),
        ("examples used", str(facts.pictures)),
        ("near-duplicates left out", str(facts.duplicates_dropped)),
        ("SHA-256 of what the model was fed", f"<code>{facts.sha256}</code>"),
    ]
    rows += [("weak, used all the same", f'<span class="bad">{escaped(reason)}</span>') for reason in facts.weak]
    told = "From these the ranges of all activations were learnt, through the device's own preprocessing."
    return section("Calibration set", told, table(("", ""), rows))


def _interface(account: Account) -> str:
    card = account.card
    if card is None:
        return ""
    rows = []
    if card.input is not None:
        rows.append(_tensor("in", card.input, "picture, R G B"))
    rows += [_tensor("in", each, ", ".join(each.columns) or "values") for each in card.vectors]
    for each in card.outputs:
        rows += [_tensor("out", each, each.role + (f", stride {each.stride} px" if each.stride else ""))]
    head = ("", "tensor", "meaning", "shape", "dtype", "#scale", "#zero point")
    labels = ", ".join(label.name for label in card.labels[:LABELS_SHOWN])
    if len(card.labels) > LABELS_SHOWN:
        labels += f" and {len(card.labels) - LABELS_SHOWN} more, in labels.txt"
    more = f'<p class="quiet">Labels, in order: {escaped(labels)}</p>' if labels else ""
    return section("Inputs and outputs", "", table(head, rows), more)


def _tensor(way: str, each: Input | VectorInput | Output, meaning: str) -> tuple[str, ...]:
    scale = (f"{each.scale:.6g}", str(each.zero_point)) if each.scale else ("–", "–")
    return (way, escaped(each.name), escaped(meaning), "×".join(map(str, each.shape)), each.dtype, *scale)


def _origin(account: Account) -> str:
    rows = []
    if account.source is not None:
        rows += [("source", f"{escaped(account.source.file)}<br><code>{account.source.sha256}</code>")]
        rows += [("as float .tflite", f"<code>{account.source.float_sha256}</code>")]
    if account.card is not None:
        rows.append(("converted model", f"<code>{account.card.model_sha256}</code>"))
    rows += [(f"{escaped(stage)}", f"{seconds:.1f} s") for stage, seconds in account.seconds.items()]
    if account.peak_memory_bytes:
        rows.append(("peak memory", f"{account.peak_memory_bytes / 1e6:,.0f} MB"))
    return section("Files and cost of the conversion", "SHA-256 of each.", table(("", ""), rows))
