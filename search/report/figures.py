"""The report's figures, drawn with matplotlib: the paper's 2, 3 and 6, and others."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator, PercentFormatter

from search import names
from search.report import analysis
from search.report.collect import Run
from search.report.style import LIGHT, LINE_STYLES, SERIES, LineStyle, Panel
from search.storage.candidate import Candidate

TOP = 10
BASELINES = ("bn_relu", "evonorm_b0", "evonorm_s0")
_BASELINE_COLOURS = dict(zip(BASELINES, ("orange", "green", "purple"), strict=True))
_BASELINE_MARKERS = dict(zip(BASELINES, ("s", "^", "D"), strict=True))
_KIND_COLOURS = {"accepted": "green", "free": "sky", "trained": "orange", "failed": "muted"}
_KIND_LABELS = {
    "accepted": "accepted",
    "free": "settled before any training",
    "trained": "rejected after some training",
    "failed": "failed",
}
# More points than this are rasterized in an SVG.
_MOST_VECTOR_POINTS = 2000


class Plot(NamedTuple):
    """A figure: its file name, title, caption and panels."""

    name: str
    title: str
    caption: str
    panels: Sequence[Panel]


def plots(run: Run, compare: Sequence[Run] = ()) -> list[Plot]:
    """The figures that the run has data for, in the order of the report."""
    found = []
    if any(analysis.top_progress(each, TOP)[0].size for each in (run, *compare)):
        found.append(_progress(run, compare))
    if analysis.outcomes(run):
        found.append(_outcomes(run))
    if run.anchors and run.genotypes:
        found.append(_histograms(run))
    if len(run.ranking) > 1 and len(run.anchors) > 1:
        found += [_scatter(run), _frontier(run)]
    return found


def _progress(run: Run, compare: Sequence[Run]) -> Plot:
    caption = (
        f"Mean {run.shown.name} of the {TOP} best layers in the population (of all, if there are "
        "fewer), averaged over the anchors: the paper's figure 6. Only accepted layers are counted."
    )
    draw = functools.partial(_draw_progress, run=run, compare=compare)
    return Plot("progress", "Search progress", caption, [Panel(draw, (5.2, 3.9))])


def _draw_progress(axes: Axes, run: Run, compare: Sequence[Run]) -> None:
    for index, each in enumerate((run, *compare)):
        numbers, means = analysis.top_progress(each, TOP)
        axes.plot(
            numbers,
            means,
            color=LIGHT[SERIES[index % len(SERIES)]],
            linestyle=LINE_STYLES[index % len(LINE_STYLES)],
            marker="o" if len(numbers) == 1 else None,
            label=_literal(each.label),
        )
    for name, row in _baselines(run).items():
        style: dict[str, Any] = {"color": LIGHT["muted"], "linestyle": _baseline_line(name)}
        axes.axhline(row.require_fitness(), linewidth=1.2, **style)
        axes.plot([], [], label=names.layer(name), **style)
    axes.margins(y=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("accepted layers")
    axes.set_ylabel(f"validation {run.shown.name}, top {TOP}")
    _show_scores(run, axes.yaxis)
    if not run.shown.objective:
        axes.set_ylim(top=min(1.005, axes.get_ylim()[1]))
    axes.figure.legend(loc="outside lower center", ncols=2)


def _baseline_line(name: str) -> LineStyle:
    return LINE_STYLES[1 + BASELINES.index(name)]


def _outcomes(run: Run) -> Plot:
    rows = analysis.outcomes(run)
    total = sum(row.count for row in rows)
    free = sum(row.count for row in rows if row.kind == "free")
    caption = f"{free:,} of {total:,} genotypes were settled before any training."
    panel = Panel(functools.partial(_draw_outcomes, rows=rows), (5.2, 1.3 + 0.46 * len(rows)))
    return Plot("outcomes", "What became of the genotypes", caption, [panel])


def _draw_outcomes(axes: Axes, rows: Sequence[analysis.Outcome]) -> None:
    total = sum(row.count for row in rows)
    places = -np.arange(len(rows))
    axes.barh(
        places,
        [row.count for row in rows],
        height=0.34,
        color=[LIGHT[_KIND_COLOURS[row.kind]] for row in rows],
    )
    most = max(row.count for row in rows)
    for place, row in zip(places, rows, strict=True):
        # Labels are above the bars, so that bars get the whole width, also on a phone.
        axes.text(0, place + 0.24, _literal(row.label), va="bottom", fontsize=9)
        axes.annotate(
            f"{row.count:,} ({_share(row.count / total)})",
            (row.count, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=9,
            color=LIGHT["muted"],
        )
    for kind in dict.fromkeys(row.kind for row in rows):
        axes.barh([0], [0], color=LIGHT[_KIND_COLOURS[kind]], label=_KIND_LABELS[kind])
    axes.set_xlim(0, most * 1.22)
    axes.set_ylim(places[-1] - 0.4, 0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False)
    axes.set_xlabel("genotypes")
    axes.figure.legend(loc="outside lower center", ncols=2)


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "<1%"


def _histograms(run: Run) -> Plot:
    caption = (
        "How many genotypes came to which accuracy, on a logarithmic scale (the paper's figure 2): "
        "after full training, or after the short one that got them rejected. A loss that is not "
        "finite counts as 0%."
    )
    if run.shown.objective:
        caption = "How many accepted layers came to which score, on a logarithmic scale."
    draws = [functools.partial(_draw_histogram, run=run, anchor=anchor) for anchor in run.anchors]
    panels = [Panel(draw, (4.0, 3.0)) for draw in draws]
    return Plot("histograms", f"{run.shown.name.capitalize()} on each anchor", caption, panels)


def _draw_histogram(axes: Axes, run: Run, anchor: str) -> None:
    trained = [row.anchor_scores[anchor] for row in run.ranking if anchor in row.anchor_scores]
    label = f"accepted ({len(trained):,})"
    if run.shown.objective:  # those of the quality test are accuracies all the same
        axes.hist(trained, bins=40, color=LIGHT["blue"], label=label)
    else:
        _draw_accuracies(axes, trained, label, analysis.quality_accuracies(run, anchor))
        axes.axvline(
            run.shown.chance, color=LIGHT["muted"], linestyle=":", linewidth=1.5, label="chance"
        )
    bn_relu = run.baseline("bn_relu")
    if bn_relu is not None and anchor in bn_relu.anchor_scores:
        axes.axvline(
            bn_relu.anchor_scores[anchor],
            color=LIGHT["orange"],
            linestyle="--",
            linewidth=1.5,
            label="BN-ReLU",
        )
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.set_title(_literal(anchor))
    axes.set_xlabel(f"validation {run.shown.name}")
    axes.set_ylabel("genotypes (log scale)")
    _show_scores(run, axes.xaxis)
    axes.legend(loc="upper center", fontsize=8)


def _draw_accuracies(
    axes: Axes, trained: Sequence[float], label: str, rejected: Sequence[float]
) -> None:
    axes.hist(
        [trained, rejected],
        bins=np.linspace(0, 1, 41).tolist(),
        stacked=True,
        color=[LIGHT["blue"], LIGHT["yellow"]],
        label=[label, f"rejected early ({len(rejected):,})"],
    )
    axes.set_xlim(0, 1)


def _scatter(run: Run) -> Plot:
    caption = (
        "Each point is an accepted layer on two anchors (the paper's figure 3); on the diagonal "
        "it does equally well on both."
    )
    pairs = itertools.combinations(run.anchors, 2)
    draws = [functools.partial(_draw_scatter, run=run, pair=pair) for pair in pairs]
    panels = [Panel(draw, (4.0, 3.7)) for draw in draws]
    return Plot("anchors", "Do layers carry over between anchors?", caption, panels)


def _draw_scatter(axes: Axes, run: Run, pair: tuple[str, str]) -> None:
    rows = [row for row in run.ranking if set(pair) <= row.anchor_scores.keys()]
    points = np.array([_point(row, pair) for row in rows])
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=14,
        color=LIGHT["blue"],
        alpha=0.45,
        linewidths=0,
        rasterized=len(points) > _MOST_VECTOR_POINTS,
    )
    _mark_baselines_and_best(axes, run, pair)
    low = min(axes.get_xlim()[0], axes.get_ylim()[0])
    high = max(axes.get_xlim()[1], axes.get_ylim()[1]) if run.shown.objective else 1.005
    axes.plot([low, high], [low, high], color=LIGHT["muted"], linewidth=0.8, zorder=0)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel=_literal(pair[0]), ylabel=_literal(pair[1]))
    axes.set_aspect("equal")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    _show_scores(run, axes.xaxis, axes.yaxis)
    axes.legend(loc="lower right", fontsize=8)


def _mark_baselines_and_best(axes: Axes, run: Run, pair: tuple[str, str]) -> None:
    for name, row in _baselines(run).items():
        if set(pair) <= row.anchor_scores.keys():
            x, y = _point(row, pair)
            axes.scatter(
                x,
                y,
                s=42,
                marker=_BASELINE_MARKERS[name],
                color=LIGHT[_BASELINE_COLOURS[name]],
                edgecolor=LIGHT["paper"],
                label=names.layer(name),
            )
    x, y = _point(run.ordered[0], pair)
    axes.scatter(
        x,
        y,
        s=130,
        marker="*",
        color=LIGHT["yellow"],
        edgecolor=LIGHT["ink"],
        label="best",
    )


def _frontier(run: Run) -> Plot:
    count = len(analysis.frontier(run))
    caption = (
        f"{count} of {len(run.ranking):,} accepted layers are on the frontier: no other layer is "
        "at least as good on every anchor and better on one. Grey lines are the others."
    )
    panel = Panel(functools.partial(_draw_frontier, run=run), (5.2, 3.7))
    return Plot("frontier", "Pareto frontier", caption, [panel])


def _draw_frontier(axes: Axes, run: Run) -> None:
    places = range(len(run.anchors))

    def line(row: Candidate, **options: Any) -> None:
        axes.plot(places, _point(row, run.anchors), **options)

    members = analysis.frontier(run)
    ids = {row.id for row in members}
    others = (row for row in run.ranking if row.id not in ids)
    whole = [row for row in others if len(row.anchor_scores) == len(places)]
    # The best 300 of the others are enough for the background.
    for row in whole[:300]:
        line(row, color=LIGHT["muted"], linewidth=0.6, alpha=0.25)
    for row in members:
        line(row, color=LIGHT["blue"], linewidth=1.4, alpha=0.8, marker="o", markersize=4)
    axes.plot([], [], color=LIGHT["blue"], marker="o", markersize=4, label="on the frontier")
    baselines = {
        name: row for name, row in _baselines(run).items() if len(row.anchor_scores) == len(places)
    }
    for name, row in baselines.items():
        line(
            row,
            color=LIGHT[_BASELINE_COLOURS[name]],
            linestyle=_baseline_line(name),
            marker=_BASELINE_MARKERS[name],
            markersize=5,
            label=names.layer(name),
        )
    winner = run.ordered[0]
    line(winner, color=LIGHT["yellow"], linewidth=2.6, marker="*", markersize=11, label="best")
    shown = winner, *members, *baselines.values()
    values = [value for row in shown for value in _point(row, run.anchors)]
    margin = 0.08 * (max(values) - min(values)) + 0.002
    axes.set_ylim(min(values) - margin, max(values) + margin)
    axes.set_xlim(-0.15, len(places) - 0.85)
    axes.set_xticks(places, [_literal(anchor) for anchor in run.anchors])
    axes.set_ylabel(f"validation {run.shown.name}")
    _show_scores(run, axes.yaxis)
    axes.figure.legend(loc="outside lower center", ncols=3)


def _point(row: Candidate, anchors: Sequence[str]) -> list[float]:
    """The scores of a candidate on these anchors."""
    return [row.anchor_scores[anchor] for anchor in anchors]


def _baselines(run: Run) -> dict[str, Candidate]:
    """The baselines with scores, by their names in the registry."""
    rows = {name: run.baseline(name) for name in BASELINES}
    return {name: row for name, row in rows.items() if row is not None}


def _literal(text: str) -> str:
    """Escapes a label, since matplotlib reads text between dollars as mathematics."""
    return text.replace("$", r"\$")


def _show_scores(run: Run, *axis: Axis) -> None:
    """Ticks in percent where scores are accuracies."""
    for each in axis if not run.shown.objective else ():
        each.set_major_formatter(PercentFormatter(1.0))
