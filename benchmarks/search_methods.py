"""Compares search methods by replays on the table of known layers, without training.

    python -m benchmarks.search_methods [--table FILE] [--seeds 20] [--seconds 1200]
        [--out docs/search/methods.json]

Every method is replayed with the same seeds. The report has the best fitness after parts of the
budget, means over the seeds with standard errors, and a figure of the means over time. It also has
Spearman's correlation of the fitness that the shortlist's surrogate predicts with the true one,
over the trained functions of the table that it has not learned from.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
from typing import Any

import numpy as np

from benchmarks.spread import spread
from search.config import Method
from search.controller.shortlist import predicted
from search.evaluation.outcome import FREE_REASONS
from search.presets import preset
from search.replay.search import Replayed, replay
from search.replay.table import PACKAGED, Table

_BASE = dataclasses.replace(preset("demo").method, initial_members=1)
METHODS: dict[str, Method] = {
    "evolution": _BASE,
    "evolution, from 20 random layers": dataclasses.replace(_BASE, initial_members=20),
    "evolution, best mean": dataclasses.replace(_BASE, criterion="average"),
    "evolution, neutral mutants kept": dataclasses.replace(_BASE, skip_neutral=False),
    "evolution, shortlist of four": dataclasses.replace(_BASE, shortlist=4),
    "evolution, shortlist of eight": dataclasses.replace(_BASE, shortlist=8),
    "evolution, four islands": dataclasses.replace(_BASE, islands=4),
    "evolution, no renewal": dataclasses.replace(_BASE, renewal=False),
    "evolution, one mutation": dataclasses.replace(_BASE, mutations=1),
    "random search with rejection": dataclasses.replace(_BASE, algorithm="random_rejection"),
    "random search with rejection, shortlist of four": dataclasses.replace(
        _BASE, algorithm="random_rejection", shortlist=4
    ),
}
_PARTS = (0.125, 0.25, 0.5, 1.0)
_POINTS = 200
_KNOWN = (60, 200)  # layers that the surrogate learns from


def main() -> None:
    """Replays all methods, and writes figures, table and plot."""
    options = _options()
    table = Table.load(options.table)
    found = {
        name: [replay(table, method, seed, options.seconds) for seed in range(options.seeds)]
        for name, method in METHODS.items()
    }
    record = {
        "table": table.summary(),
        "seeds": options.seeds,
        "seconds": options.seconds,
        "correlation": {known: correlation(table, known, options.seeds) for known in _KNOWN},
        "best": {name: best(replays, options.seconds) for name, replays in found.items()},
    }
    out = pathlib.Path(options.out)
    out.write_text(json.dumps(record, indent=1) + "\n")
    text = report(record)
    out.with_suffix(".md").write_text(text)
    draw(found, options.seconds, out.with_suffix(".png"))
    print(text)


def best(replays: list[Replayed], seconds: float) -> list[list[float]]:
    """The best fitness in percent after each part of the budget, seed by seed."""
    return [[100 * each.best(part * seconds) for part in _PARTS] for each in replays]


def correlation(table: Table, known: int, seeds: int) -> float:
    """The mean over random choices of the known functions; a rejected layer has fitness 0."""
    from scipy.stats import spearmanr

    trained = np.unique(table.function[~np.isin(table.verdict, FREE_REASONS)])
    graphs = [table.graph(row) for row in trained]
    accepted = table.verdict[trained] == "accepted"
    fitness = np.where(accepted, table.mean_scores[trained].mean(1), 0.0)
    found = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(trained))
        seen, new = order[:known], order[known:]
        scores = predicted([graphs[i] for i in new], [graphs[i] for i in seen], fitness[seen])
        found.append(spearmanr(scores, fitness[new]).statistic)
    return statistics.fmean(found)


def report(record: dict[str, Any]) -> str:
    """A row for each method, a column for each part of the budget."""
    parts = [f"{part * record['seconds']:.0f} s" for part in _PARTS]
    lines = ["| method | " + " | ".join(parts) + " |", "| --- |" + " ---: |" * len(parts)]
    for name, rows in record["best"].items():
        cells = [spread([row[place] for row in rows]) for place in range(len(parts))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(found: dict[str, list[Replayed]], seconds: float, path: pathlib.Path) -> None:
    """The mean over the seeds of the best fitness, over the seconds of one worker."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    axes = figure.subplots()
    times = np.linspace(0, seconds, _POINTS)
    for name, replays in found.items():
        curves = np.array([[100 * each.best(time) for time in times] for each in replays])
        mean, error = curves.mean(0), curves.std(0, ddof=1) / len(replays) ** 0.5
        (line,) = axes.plot(times, mean, label=name)
        axes.fill_between(times, mean - error, mean + error, color=line.get_color(), alpha=0.07)
    axes.set_xlabel("seconds of one worker")
    axes.set_ylabel("best fitness, %")
    axes.set_ylim(0, 100)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=160)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", default=str(PACKAGED))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--out", default="docs/search/methods.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
