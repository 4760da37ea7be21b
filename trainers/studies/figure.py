"""The figure of a study: every seed's score, and the means, a panel for each network and score."""

import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from trainers.studies.journal import Run
from trainers.studies.report import by_seed, trained_networks
from trainers.studies.study import Cell, Score, Study

_COLOURS = ("#d62728", "#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#000000")
_GREY = "#c8c8c8"
_SPREAD = 0.12  # between the dots of neighbouring layers, in units of the distance of settings


def draw(study: Study, runs: Sequence[Run], path: pathlib.Path) -> None:
    """Writes the figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    networks = trained_networks(study, runs)
    rows, columns = len(study.scores), len(networks)
    figure, panels = pyplot.subplots(
        *(rows, columns),
        figsize=(6 * columns, 4 * rows),
        squeeze=False,
        sharey="row",
        layout="constrained",
    )
    for row, score in zip(panels, study.scores, strict=True):
        for axes, network in zip(row, networks, strict=True):
            _draw_panel(axes, study, network, score, runs)
        unit = ", %" if score.percent else ""
        row[0].set_ylabel(f"{score.name}{unit}; a dot for each seed")
    for axes, network in zip(panels[0], networks, strict=True):
        axes.set_title(study.title if len(study.networks) == 1 else f"{study.title}: {network}")
    for axes in panels[-1]:
        axes.set_xlabel(study.settings_title)
    figure.legend(*panels[0][-1].get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw_panel(axes: Any, study: Study, network: str, score: Score, runs: Sequence[Run]) -> None:
    def scores(layer: str) -> list[list[float]]:
        cells = (Cell(network, layer, setting) for setting in study.settings)
        return [list(by_seed(runs, cell, score).values()) for cell in cells]

    shown = study.shown or study.layers
    trained = {run["layer"] for run in runs}
    grey = [layer for layer in study.layers if layer in trained and layer not in shown]
    for layer in grey:
        _draw_layer(axes, scores(layer), 0.0, {"color": _GREY})
    if grey:
        axes.plot([], [], color=_GREY, label=f"the other {len(grey)} layers")
    for index, layer in enumerate(shown):
        if layer not in trained:
            continue
        offset = _SPREAD * (index - (len(shown) - 1) / 2)
        style = {"color": _COLOURS[index % len(_COLOURS)], "label": layer}
        _draw_layer(axes, scores(layer), offset, style)
    axes.set_xticks(range(len(study.settings)), list(study.settings))
    axes.set_xlim(-0.5, len(study.settings) - 0.5)


def _draw_layer(
    axes: Any, scores: Sequence[Sequence[float]], offset: float, style: dict[str, str]
) -> None:
    """One layer's line of means, and a dot for each seed unless it is one of the grey ones.

    Args:
      axes: the panel.
      scores: those of each setting's seeds; none for a setting that has not been run.
      offset: of the layer's dots from the settings' places.
      style: of the line; a layer that the figure names has a label.
    """
    places, means = [], []
    for place, values in enumerate(scores):
        if not values:
            continue
        places.append(place + offset)
        means.append(statistics.fmean(values))
        if "label" in style:
            axes.scatter([place + offset] * len(values), values, s=14, color=style["color"])
    axes.plot(places, means, zorder=2 if "label" in style else 1, marker="_", **style)
