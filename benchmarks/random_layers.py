"""How many random layers learn, and on how many networks: figures 2 and 3 in small.

    python -m benchmarks.random_layers --run-dir DIR [--candidates 1000] [--out docs/search]

Random search without any rejection, on the digits: how many of the trained layers stay at random
guess, and what an accuracy on one network says of that on another. A run that was stopped goes on
where it was, up to the number asked for now. The numbers go to JSON, with two figures.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import small_searches
from search import lifecycle
from search.config import Config
from search.score_format import ScoreFormat

# One of each of the paper's families.
_THREE = ("resnet_small", "mobilenet_v2_small", "efficientnet_small")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment and writes its JSON and figures; returns the exit code."""
    parser = small_searches.parser("random_layers", __doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=1000)
    return small_searches.execute(_experiment, parser.parse_args(arguments))


def _experiment(options: argparse.Namespace) -> None:
    config = small_searches.configure(
        "random", 0, f"max_candidates={options.candidates}", options.workers
    ).override([f"evaluation.anchors={','.join(_THREE)}"])
    result = trained(options.run_dir / "random_0", config)
    small_searches.keep("rejection", result, options.out)
    _draw_histograms(result, options.out / "rejection.png")
    _draw_calibration(result, options.out / "calibration.png")
    print(json.dumps(result["share_at_random_guess"]))


def trained(path: pathlib.Path, config: Config) -> dict[str, Any]:
    """Trains random graphs without any rejection; returns their accuracies by anchor."""
    with small_searches.run(path, config) as store:
        rows = [row for row in store.candidates() if row.scores is not None]
        anchors = config.evaluation.anchors
        accuracies = {anchor: [row.anchor_scores[anchor] for row in rows] for anchor in anchors}
        settings = lifecycle.load_config(store).to_dict()["evaluation"]
    shares = {anchor: share_at_guess(scores) for anchor, scores in accuracies.items()}
    return {
        "trained": len(rows),
        "share_at_random_guess": shares,
        "fail_on_another": fail_on_another(accuracies),
        "accuracies": accuracies,
        "evaluation": settings,
    }


def share_at_guess(scores: list[float]) -> float:
    """The share of accuracies below twice random guess, the quality test's limit."""
    return statistics.fmean(map(ScoreFormat().is_near_chance, scores))


def fail_on_another(accuracies: Mapping[str, Sequence[float]]) -> dict[str, list[int]]:
    """Of the layers that learn on an anchor: how many stay at random guess on another, and all."""
    near = ScoreFormat().is_near_chance
    result = {}
    for anchor, scores in accuracies.items():
        learning = [layer for layer, score in enumerate(scores) if not near(score)]
        others = [accuracies[other] for other in accuracies if other != anchor]
        failing = [i for i in learning if any(near(other[i]) for other in others)]
        result[anchor] = [len(failing), len(learning)]
    return result


def _draw_histograms(result: Mapping[str, Any], path: pathlib.Path) -> None:
    from matplotlib import figure

    canvas = figure.Figure(figsize=(9.6, 3.2), layout="constrained")
    every = canvas.subplots(1, len(result["accuracies"]), sharey=True)
    for axes, (anchor, scores) in zip(every, result["accuracies"].items(), strict=True):
        axes.hist(scores, bins=np.linspace(0, 1, 21))
        axes.axvline(0.2, color="black", linestyle=":", linewidth=1)
        axes.set_yscale("log")
        axes.set_title(anchor, fontsize=10)
        axes.set_xlabel("validation accuracy")
    every[0].set_ylabel("random layers")
    canvas.savefig(path, dpi=150)


def _draw_calibration(result: Mapping[str, Any], path: pathlib.Path) -> None:
    """Every layer's accuracy on one anchor over that on another, for each pair of anchors."""
    from matplotlib import figure

    pairs = list(itertools.combinations(result["accuracies"], 2))
    canvas = figure.Figure(figsize=(1 + 3.2 * len(pairs), 3.6), layout="constrained")
    every = canvas.subplots(1, len(pairs), squeeze=False)
    for axes, (first, second) in zip(every[0], pairs, strict=True):
        axes.plot(*(result["accuracies"][anchor] for anchor in (first, second)), ".", alpha=0.5)
        axes.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1)
        axes.set_xlabel(f"accuracy, {first}")
        axes.set_ylabel(f"accuracy, {second}")
    canvas.savefig(path, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
