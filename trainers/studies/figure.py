"""The figure of a study: every seed's score, and the means, a panel for each network."""

import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from trainers.studies.journal import Run
from trainers.studies.report import accuracies
from trainers.studies.study import Cell, Study

_COLOURS = ("#d62728", "#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b")
_GREY = "#c8c8c8"
_SPREAD = 0.12  # between the dots of neighbouring layers, in units of the distance of settings


def draw(study: Study, runs: Sequence[Run], path: pathlib.Path) -> None:
    """Writes the figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    count = len(study.networks)
    figure, panels = pyplot.subplots(
        1, count, figsize=(6 * count, 4), squeeze=False, sharey=True, layout="constrained"
    )
    for axes, network in zip(panels[0], study.networks, strict=True):
        _draw_network(axes, study, network, runs)
        axes.set_title(study.title if count == 1 else f"{study.title}: {network}")
        axes.set_xlabel(study.settings_title)
    panels[0][0].set_ylabel("test accuracy, %; a dot for each seed")
    panels[0][-1].legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw_network(axes: Any, study: Study, network: str, runs: Sequence[Run]) -> None:
    shown = study.shown or study.layers
    grey = [layer for layer in study.layers if layer not in shown]
    for layer in grey:
        _draw_layer(axes, study, Cell(network, layer, ""), runs, 0.0, {"color": _GREY})
    if grey:
        axes.plot([], [], color=_GREY, label=f"the other {len(grey)} layers")
    for index, layer in enumerate(shown):
        offset = _SPREAD * (index - (len(shown) - 1) / 2)
        style = {"color": _COLOURS[index % len(_COLOURS)], "label": layer}
        _draw_layer(axes, study, Cell(network, layer, ""), runs, offset, style)
    axes.set_xticks(range(len(study.settings)), list(study.settings))


def _draw_layer(
    axes: Any, study: Study, cell: Cell, runs: Sequence[Run], offset: float, style: dict[str, str]
) -> None:
    """One layer's line of means, and a dot for each seed unless it is one of the grey ones."""
    places, means = [], []
    for place, setting in enumerate(study.settings):
        values = list(accuracies(runs, Cell(cell.network, cell.layer, setting)).values())
        if not values:
            continue
        places.append(place + offset)
        means.append(statistics.fmean(values))
        if "label" in style:
            axes.scatter([place + offset] * len(values), values, s=14, color=style["color"])
    axes.plot(places, means, zorder=2 if "label" in style else 1, marker="_", **style)
