"""The report's figures: what the gate measured, what the scores look like, what repair bought, layer by layer."""

from __future__ import annotations

import html
from collections.abc import Sequence

from convert.gate.judge import at_most
from convert.gate.result import Figure, GateResult, Row
from convert.quantise.recipes import Recipe
from convert.quantise.trace import TensorError
from convert.report import plots
from convert.report.account import Account
from convert.report.markup import escaped, number, section, table

WORST_SHOWN = 10
SNR_SHOWN_DB = 50.0
"""The height of the plot: more is no visible error."""


def gate_section(gate: GateResult) -> str:
    if gate.kind == "agreement":
        rows = [
            (
                escaped(each.name),
                number(each.converted),
                "" if each.low is None or each.high is None else f"{each.low:.3f} to {each.high:.3f}",
                "" if each.limit is None else f"{limit_side(each)} {each.limit:g}",
            )
            for each in gate.figures
        ]
        told = (
            f"Both models on {gate.pictures} examples: {gate.pictures_from}. No labels, so no figure of either alone. "
            f"Intervals by bootstrap over {gate.groups} groups; a largest or lowest value has none. {_exact(gate)}"
        ).rstrip()
        return section(
            "Float against converted: agreement",
            told,
            table(("figure", "#value", "#95 % interval", "#passes at"), rows),
        )
    reach = _reach(gate.figures)
    legend = (
        '<p class="legend"><span class="after">difference with its 95 % interval</span>'
        '<span class="zero">no difference</span><span class="limit">the loss that is allowed</span></p>'
    )
    measured = []
    for index, each in enumerate(gate.figures):
        allowed = gate.max_drop if index == 0 else None
        plot = ""
        if each.difference is not None:
            ends = [None if end is None else 100 * end for end in (each.low, each.high)]
            plot = plots.interval(100 * each.difference, ends[0], ends[1], allowed, reach)
        change = "" if each.difference is None else f"{100 * each.difference:+.2f}"
        spread = "" if each.low is None or each.high is None else f"{100 * each.low:+.1f} to {100 * each.high:+.1f}"
        measured.append((escaped(each.name), number(each.float_model), number(each.converted), change, spread, plot))
    head = ("figure", "#float", "#converted", "#points", "#95 % interval", "difference in points")
    told = (
        f"Both models on the same {gate.pictures} pictures ({gate.pictures_from}), in {gate.groups} groups of "
        f"near-duplicates or persons; paired bootstrap over groups. The first figure decides. {_exact(gate)}"
    ).rstrip()
    return section("Float against converted", told, legend, table(head, measured, plot=True, lead=True))


def _exact(gate: GateResult) -> str:
    """Which intervals the bootstrap could not give."""
    exact = [each.name for each in gate.figures if each.method == "exact"]
    if any(each.method == "same file" for each in gate.figures):
        return "Both models are the same file, so nothing can differ."
    if not exact:
        return ""
    return (
        f"Of {', '.join(exact)} every group says the same, so that the bootstrap has nothing to draw: its interval is "
        "the exact limit of what was never seen (Clopper and Pearson 1934)."
    )


def parts_section(gate: GateResult) -> str:
    groups = [("label", gate.per_label), ("source", gate.per_source), ("skin tone", gate.per_tone)]
    rows: list[tuple[str, ...]] = []
    for title, parts in groups:
        if parts:
            rows.append((f"<b>By {title}</b>", "", "", "", "", ""))
            rows += [_part(each) for each in parts]
    if not rows:
        return ""
    told = (
        "Where something is lost, and for whom. Skin tone is the individual typology angle (Chardon 1991) of pixels "
        "beside the lesion, as the camera saw them: no measurement of a person. Too few pictures: no figure."
    )
    head = ("", "#pictures", "#float", "#converted", "#points", "figure")
    return section("By label, source and skin tone", told, table(head, rows))


def scores_section(account: Account) -> str:
    scores = account.scores
    if scores is None:
        return ""
    legend = '<p class="legend"><span>float</span><span class="after">converted</span></p>'
    if scores.kind == "reliability":
        told = f"Of pictures that got about such a probability, how many are right ({scores.pictures} pictures)."
        plot = plots.reliability(*scores.curves, "reliability curve", "probability given")
        legend = legend.replace("</p>", '<span class="zero">as promised</span></p>')
        return section("What a probability is worth", told, legend, f'<div class="plots"><figure>{plot}</figure></div>')
    told = (
        f"The best score of each of {scores.pictures} pictures. A shift means that thresholds no longer mean the same."
    )
    plot = plots.histogram(*scores.counts, "best score of each picture", "best score of the picture")
    return section("How scores are spread", told, legend, f'<div class="plots"><figure>{plot}</figure></div>')


def repair_section(account: Account) -> str:
    if not account.repairs:
        return ""
    labelled = account.gate is not None and account.gate.kind == "task"
    rows = [
        (
            escaped(each.what),
            f"{each.points_lost:.2f}",
            f"{each.points_bought:+.2f}" if index else "",
            f"{each.latency_ms:.2f}",
            f"{each.added_bytes:+,}" if index else f"{each.size_bytes:,}",
            ('<span class="good">passes</span>' if each.passed else "not enough") if each.kept else "taken back",
        )
        for index, each in enumerate(account.steps)
    ]
    told = (
        "The plain conversion did not pass. Each step was judged on the gate's pictures: what it bought, what it cost. "
    )
    told += "Points of the metric." if labelled else "Counted is the worst figure's part of the disagreement allowed."
    head = ("step", "#lost", "#bought", "#ms a run", "#bytes", "then")
    return section("Repair", told, table(head, rows))


def layers_section(layers: Sequence[TensorError], recipe: Recipe | None) -> str:
    if not layers:
        return ""
    heights = [min(each.median_channel_snr_db, SNR_SHOWN_DB) for each in layers]
    shown = sorted(range(len(layers)), key=lambda place: heights[place])[:WORST_SHOWN]
    overrides = () if recipe is None else recipe.overrides
    wider = {each.layer: f", in {each.precision}" for each in overrides if each.precision is not None}
    rows = []
    for place in shown:
        each = layers[place]
        # Fused layers are named by all that went into them; the first part is the one that came out.
        name, *more = each.layer.split(";")
        fused = f' <small title="{html.escape(each.layer)}">and {len(more)} fused into it</small>' if more else ""
        rows.append(
            (
                f"{escaped(name)}{fused}<br><small>{each.op}{wider.get(each.layer, '')}</small>",
                f"{each.median_channel_snr_db:.1f}",
                f"{each.worst_channel_snr_db:.1f}",
                f"{each.snr_db:.1f}",
                f"{each.cosine:.4f}",
                f"{100 * each.saturated_fraction:.2f} %",
                plots.bar(heights[place] / SNR_SHOWN_DB, marked=True),
            )
        )
    told = (
        "Both models side by side on the same examples: signal over quantisation noise of each layer's output, with "
        "all that has gathered before it. Bars show the median channel: half of the channels are worse. Higher is "
        "better; under about 10 dB little of the signal is left, under 0 nothing."
    )
    drawn = plots.layers(heights, set(shown), SNR_SHOWN_DB, "signal over noise of each layer's median channel")
    legend = f'<p class="legend"><span class="worst">the {len(shown)} worst, listed below</span></p>'
    head = ("layer", "#median, dB", "#worst channel", "#whole", "#cosine", "#saturated", "")
    figure = f'<div class="plots"><figure>{drawn}</figure></div>'
    return section("Layer by layer", told, legend, figure, table(head, rows, plot=True))


def limit_side(figure: Figure) -> str:
    return "at most" if at_most(figure.name) else "at least"


def limit_broken(figure: Figure) -> bool:
    """Whether an agreement figure lies on the wrong side of its limit."""
    if figure.limit is None or figure.converted is None:
        return False
    return figure.converted > figure.limit if at_most(figure.name) else figure.converted < figure.limit


def _reach(figures: Sequence[Figure]) -> float:
    """Half the width of the axis, in points: what holds every interval, at least two."""
    ends = [abs(100 * end) for each in figures for end in (each.low, each.high, each.difference) if end is not None]
    return max(2.0, *ends) * 1.1 if ends else 2.0


def _part(row: Row) -> tuple[str, ...]:
    if row.converted is None:
        return (escaped(row.name), str(row.pictures), "–", "–", "–", f'<small class="note">{escaped(row.note)}</small>')
    metric = escaped(row.metric) + (f' <small class="note">{escaped(row.note)}</small>' if row.note else "")
    change = "" if row.difference is None else f"{100 * row.difference:+.2f}"
    return (escaped(row.name), str(row.pictures), number(row.float_model), number(row.converted), change, metric)
