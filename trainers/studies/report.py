"""The tables of a study in Markdown: scores, differences to the baseline, and changes."""

import itertools
import math
from collections.abc import Callable, Sequence

from trainers.studies import estimates
from trainers.studies.estimates import Estimate
from trainers.studies.journal import Run
from trainers.studies.study import Cell, Score, Study

_MINUS = "\N{MINUS SIGN}"
_NONE = "-"


def text(study: Study, runs: Sequence[Run]) -> str:
    """All tables of a study; ± is half of a 95 % interval over seeds."""
    parts = []
    for network, score in itertools.product(trained_networks(study, runs), study.scores):
        parts += [_heading(score, network), _means(study, network, score, runs)]
        parts += [
            f"The difference to `{study.baseline}` over the same seeds, with p of a paired t-test, "
            "corrected by Holm for this table:",
            _differences(study, network, score, runs),
        ]
        for start, end in study.changes:
            parts += [
                f"The change from {start} to {end}, with p of Welch's t-test, corrected by Holm:",
                _changes(study, network, score, runs, (start, end)),
            ]
    return "\n\n".join(parts) + "\n"


def trained_networks(study: Study, runs: Sequence[Run]) -> list[str]:
    """The networks of a study that have a finished training, in its order."""
    return [name for name in study.networks if any(run["network"] == name for run in runs)]


def scores(study: Study, run: Run) -> str:
    """The scores of one training, in a line."""
    units = {True: " %", False: ""}
    return ", ".join(f"{s.name} {s.of(run):.1f}{units[s.percent]}" for s in study.scores)


def by_seed(runs: Sequence[Run], cell: Cell, score: Score) -> dict[int, float]:
    """The scores of a cell, by seed."""
    return {run["seed"]: score.of(run) for run in runs if cell.has(run)}


def _heading(score: Score, network: str) -> str:
    unit = " in percent" if score.percent else ""
    return f"{score.name[0].upper()}{score.name[1:]} of {network}{unit}:"


def _means(study: Study, network: str, score: Score, runs: Sequence[Run]) -> str:
    def shown(layer: str, setting: str) -> str:
        cell = Cell(network, layer, setting)
        values = list(by_seed(runs, cell, score).values())
        if not values:
            return _NONE
        diverged = sum(bool(run["first_bad_step"]) for run in runs if cell.has(run))
        note = f", {diverged} of {len(values)} not finite" if diverged else ""
        mean = estimates.mean(values)
        return _with_interval(f"{mean.value:.1f}", mean) + note

    return _table(study.layers, list(study.settings), shown)


def _differences(study: Study, network: str, score: Score, runs: Sequence[Run]) -> str:
    found: dict[tuple[str, str], Estimate] = {}
    others = [layer for layer in study.layers if layer != study.baseline]
    for layer in others:
        for setting in study.settings:
            values, baseline = (
                by_seed(runs, Cell(network, each, setting), score)
                for each in (layer, study.baseline)
            )
            difference = estimates.paired(values, baseline)
            if difference:
                found[layer, setting] = difference
    return _tested(others, list(study.settings), found)


def _changes(
    study: Study, network: str, score: Score, runs: Sequence[Run], ends: tuple[str, str]
) -> str:
    head = f"{ends[0]} to {ends[1]}"
    found: dict[tuple[str, str], Estimate] = {}
    for layer in study.layers:
        before, after = (
            list(by_seed(runs, Cell(network, layer, end), score).values()) for end in ends
        )
        change = estimates.independent(after, before)
        if change:
            found[layer, head] = change
    return _tested(study.layers, [head], found)


def _tested(
    layers: Sequence[str],
    columns: Sequence[str],
    found: dict[tuple[str, str], Estimate],
) -> str:
    corrected = estimates.holm([estimate.p for estimate in found.values()])
    probabilities = dict(zip(found, corrected, strict=True))

    def shown(layer: str, column: str) -> str:
        estimate = found.get((layer, column))
        if estimate is None:
            return _NONE
        number = f"{estimate.value:+.1f}".replace("-", _MINUS)
        return f"{_with_interval(number, estimate)}, p {probabilities[layer, column]:.2g}"

    return _table(layers, columns, shown)


def _with_interval(number: str, estimate: Estimate) -> str:
    if math.isinf(estimate.half_width):
        return f"{number} (one seed)"
    return f"{number} ± {estimate.half_width:.1f}"


def _table(
    layers: Sequence[str],
    columns: Sequence[str],
    shown: Callable[[str, str], str],
) -> str:
    lines = [
        f"| layer | {' | '.join(columns)} |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for layer in layers:
        cells = [shown(layer, column) for column in columns]
        if any(cell != _NONE for cell in cells):  # a layer that was not trained has no row
            lines.append(f"| `{layer}` | {' | '.join(cells)} |")
    return "\n".join(lines)
