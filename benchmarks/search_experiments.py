"""Two small experiments that show the method at work, on the embedded digits.

    python -m benchmarks.search_experiments --run-dir DIR [--out docs/search]

(a) Evolution against random search with the same rejections, at equal numbers of evaluations
(genotypes on which training was spent), over several seeds: figure 6 in small. Evolution also
with tournaments by the average in place of the Pareto frontier, which is figure 5's question, and
without the stability test, which is appendix E.2's. (b) Random search without any rejection: how
many of the trained genotypes stay at random guess, figure 2 in small, and what an accuracy on one
network says of that on another, figure 3.

A run that was stopped goes on where it was, up to the budget asked for now. The numbers go
to JSON, with a figure each.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from search import lifecycle
from search.cli import quiet_tensorflow
from search.config import Config
from search.errors import SearchError
from search.presets import preset
from search.progress.lines import LogLines
from search.score_format import ScoreFormat
from search.storage.candidate import Candidate
from search.storage.database import DATABASE
from search.storage.store import Store
from trainers.studies.estimates import paired

_TOP = 10
_FIGURES = ("best", "accepted")
# Where no layer is rejected: one of each family, as the paper has them.
_THREE = ("resnet_small", "mobilenet_v2_small", "efficientnet_small")
# Shorter trainings than the demo's: what counts here is the difference between methods.
_SETTINGS = (
    "evaluation.steps=100",
    "evaluation.batch_size=16",
    "evaluation.stability_steps=10",
    "method.initial_members=1",
    "method.max_minutes=none",
)
# The ways to search, each with what it changes of the configuration; the first is compared.
WAYS: Mapping[str, Sequence[str]] = {
    "evolution": (),
    "random search with rejection": ("method.algorithm=random_rejection",),
    "evolution by the average": ("method.criterion=average",),
    "evolution without the stability test": ("evaluation.stability_test=false",),
}
EVOLUTION = next(iter(WAYS))


def configure(algorithm: str, seed: int, budget: str, workers: int) -> Config:
    """The demo's configuration for one run of an experiment, without baselines.

    `budget` is a field of `method` and its value, such as "max_evaluated=200".
    """
    settings = [
        *_SETTINGS,
        f"method.algorithm={algorithm}",
        f"method.seed={seed}",
        f"method.{budget}",
        f"workers={workers}",
    ]
    values = preset("demo").override(settings).to_dict()
    return Config.from_dict({**values, "preset": "experiment", "baselines": []})


def evaluated(store: Store) -> list[Candidate]:
    """The genotypes on which training was spent, in order of birth."""
    return [row for row in store.candidates() if row.origin != "baseline" and row.was_evaluated]


def progress_curve(rows: Sequence[Candidate]) -> list[float]:
    """The mean fitness of the ten best so far after each genotype; 0 before any.

    Each function counts once. Fewer than ten count as what is missing scoring zero.
    """
    best: list[float] = []
    curve = []
    for row in rows:
        if row.status == "accepted":
            best = sorted([*best, row.require_fitness()], reverse=True)[:_TOP]
        curve.append(sum(best) / _TOP)
    return curve


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


def evolution_experiment(folder: pathlib.Path, seeds: int, evaluations: int, workers: int) -> dict:
    """Searches in each way with each seed; returns the curves and final figures."""
    result: dict = {"seeds": list(range(seeds)), "evaluations": evaluations, "runs": []}
    for seed in range(seeds):
        for way, changes in WAYS.items():
            config = configure("evolution", seed, f"max_evaluated={evaluations}", workers)
            with _run(
                folder / f"{way.replace(' ', '_')}_{seed}", config.override(changes)
            ) as store:
                rows = evaluated(store)[:evaluations]  # workers may have been at some more
                if way == EVOLUTION:
                    result["evaluation"] = lifecycle.load_config(store).to_dict()["evaluation"]
                result["runs"].append(
                    {
                        "way": way,
                        "seed": seed,
                        "sampled": rows[-1].id,
                        "accepted": sum(row.status == "accepted" for row in rows),
                        "best": max((row.fitness or 0.0 for row in rows), default=0.0),
                        "curve": progress_curve(rows),
                    }
                )
    return result


def rejection_experiment(folder: pathlib.Path, candidates: int, workers: int) -> dict:
    """Trains random graphs without any rejection; returns their accuracies by anchor."""
    config = configure("random", 0, f"max_candidates={candidates}", workers)
    config = config.override([f"evaluation.anchors={','.join(_THREE)}"])
    with _run(folder / "random_0", config) as store:
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


def _run(path: pathlib.Path, config: Config) -> Store:
    if (path / DATABASE).exists():
        store = Store.open(path, controller=True)
        config = dataclasses.replace(lifecycle.load_config(store), method=config.method)
    else:
        store = lifecycle.create(path, config)
    lifecycle.execute(store, config, LogLines(sys.stderr), with_final=False)
    return store


def report(result: Mapping[str, Any]) -> str:
    """A Markdown table of the ways to search, with differences to evolution paired by seed."""
    lines = [
        "| search | seeds | ten best | above evolution | p | best layer | accepted |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    runs = _by_way(result)
    ends = {way: {each["seed"]: 100 * each["curve"][-1] for each in runs[way]} for way in runs}
    for way, found in runs.items():
        difference = paired(ends[way], ends[EVOLUTION]) if way != EVOLUTION else None
        lead = p = ""
        if difference is not None:
            lead = f"{difference.value:+.1f} ± {difference.half_width:.1f}"
            p = f"{difference.p:.2g}"
        best, accepted = (statistics.fmean(each[name] for each in found) for name in _FIGURES)
        lines.append(
            f"| {way} | {len(found)} | {statistics.fmean(ends[way].values()):.1f} | {lead} | {p} | "
            f"{100 * best:.1f} | {accepted:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _by_way(result: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    return {way: [each for each in result["runs"] if each["way"] == way] for way in WAYS}


def _draw_curves(result: dict, path: pathlib.Path) -> None:
    from matplotlib import figure

    canvas = figure.Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = canvas.subplots()
    for way, runs in _by_way(result).items():
        curves = np.array([each["curve"] for each in runs])
        line = axes.plot(curves.mean(0), linewidth=2, label=f"{way} (mean of {len(runs)} seeds)")
        for curve in curves:
            axes.plot(curve, color=line[0].get_color(), linewidth=0.7, alpha=0.6)
    axes.set_xlabel("evaluations (genotypes on which training was spent)")
    axes.set_ylabel("validation accuracy, mean of the ten best")
    axes.legend(loc="upper left")
    canvas.savefig(path, dpi=150)


def _draw_histograms(result: dict, path: pathlib.Path) -> None:
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


def _draw_calibration(result: dict, path: pathlib.Path) -> None:
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


def _keep(name: str, result: dict, draw: Callable, folder: pathlib.Path) -> None:
    text = json.dumps(result, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    draw(result, folder / f"{name}.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs both experiments and writes their JSON and figures; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        _experiment(options)
    except SearchError as error:
        print(f"search: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_experiments", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--run-dir", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs/search"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--random-candidates", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    return parser


def _check(options: argparse.Namespace) -> None:
    """Raises SearchError for what would otherwise end the second experiment, hours later."""
    if options.seeds < 1:
        raise SearchError(f"--seeds must be at least 1. Received: {options.seeds}")
    for budget in (
        f"max_evaluated={options.evaluations}",
        f"max_candidates={options.random_candidates}",
    ):
        configure("random", 0, budget, options.workers)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SearchError(f"cannot write into {options.out}: {error.strerror}") from None


def _experiment(options: argparse.Namespace) -> None:
    quiet_tensorflow()
    rejection = rejection_experiment(options.run_dir, options.random_candidates, options.workers)
    _keep("rejection", rejection, _draw_histograms, options.out)
    _draw_calibration(rejection, options.out / "calibration.png")
    print(json.dumps(rejection["share_at_random_guess"]))
    evolution = evolution_experiment(
        options.run_dir, options.seeds, options.evaluations, options.workers
    )
    _keep("evolution", evolution, _draw_curves, options.out)
    text = report(evolution)
    (options.out / "evolution.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
