"""Ways to search, compared on the embedded digits at equal numbers of trained layers.

    python -m benchmarks.search_experiments --run-dir DIR [--seeds 5] [--out docs/search]

Evolution against random search with the same rejections: figure 6 in small. Evolution also with
tournaments by the average in place of the Pareto frontier, which is figure 5's question, and
without the stability test, which is appendix E.2's. These begin to mutate with the first accepted
layer; one more way has 20 random layers first. Each way has the same number of evaluations,
genotypes on which training was spent, over several seeds.

A run that was stopped goes on where it was, up to the budget asked for now. The numbers go to
JSON, with a table and a figure.
"""

import argparse
import pathlib
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import small_searches
from search import lifecycle
from search.errors import SearchError
from search.evolution.selection import active
from search.report.analysis import top_mean
from search.storage.candidate import Candidate
from search.storage.store import Store
from trainers.studies.estimates import holm, paired

_TOP = 10
# The ways to search, each with what it changes of the configuration; the first is compared.
WAYS: Mapping[str, Sequence[str]] = {
    "evolution": (),
    "random search with rejection": ("method.algorithm=random_rejection",),
    "evolution by the average": ("method.criterion=average",),
    "evolution without the stability test": ("evaluation.stability_test=false",),
    "evolution from 20 random layers": ("method.initial_members=20",),
}
EVOLUTION = next(iter(WAYS))
# What is compared at the end of a run, in percent.
_MEASURES = {"ten_best": "ten best", "best": "best layer"}
Ends = Mapping[str, Mapping[int, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the searches and writes JSON, table and figure; returns the exit code."""
    parser = small_searches.parser("search_experiments", __doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=200)
    return small_searches.execute(_experiment, parser.parse_args(arguments))


def _experiment(options: argparse.Namespace) -> None:
    if options.seeds < 1:
        raise SearchError(f"--seeds must be at least 1. Received: {options.seeds}")
    result: dict[str, Any] = {"evaluations": options.evaluations, "runs": []}
    for seed in range(options.seeds):
        for way in WAYS:
            config = small_searches.configure(
                "evolution", seed, f"max_evaluated={options.evaluations}", options.workers
            ).override(WAYS[way])
            path = options.run_dir / f"{way.replace(' ', '_')}_{seed}"
            with small_searches.run(path, config) as store:
                if way == EVOLUTION:
                    result["evaluation"] = lifecycle.load_config(store).to_dict()["evaluation"]
                rows = evaluated(store)[: options.evaluations]  # workers may have been at more
            result["runs"].append({"way": way, "seed": seed, **_found(rows, config.method.window)})
    small_searches.keep("evolution", result, options.out)
    text = report(result)
    (options.out / "evolution.md").write_text(text, encoding="utf-8")
    _draw(result, options.out / "evolution.png")
    print(text)


def evaluated(store: Store) -> list[Candidate]:
    """The genotypes on which training was spent, in order of birth."""
    return [row for row in store.candidates() if row.origin != "baseline" and row.was_evaluated]


def _found(rows: Sequence[Candidate], window: int) -> dict[str, Any]:
    accepted = [row.require_fitness() for row in rows if row.status == "accepted"]
    curve = progress_curve(rows, window)
    return {
        "sampled": rows[-1].id,
        "accepted": len(accepted),
        "best": max(accepted, default=0.0),
        "ten_best": curve[-1] or 0.0,
        "curve": curve,
    }


def progress_curve(rows: Sequence[Candidate], window: int) -> list[float | None]:
    """The mean fitness of the population's ten best after each genotype, as in figure 6.

    The population is the `window` newest accepted layers. It is the mean of what there is if there
    are fewer than ten, and None before the first.
    """
    accepted: list[Candidate] = []
    curve = []
    for row in rows:
        if row.status == "accepted":
            accepted.append(row)
        curve.append(top_mean(active(accepted, window), _TOP) if accepted else None)
    return curve


def report(result: Mapping[str, Any]) -> str:
    """A Markdown table of the ways to search, with differences to evolution paired by seed.

    The probabilities are corrected by Holm for the number of ways.
    """
    runs = _by_way(result)
    titles = [f"{name} | above evolution | p" for name in _MEASURES.values()]
    lines = [
        f"| search | seeds | accepted | {' | '.join(titles)} |",
        "| --- |" + " ---: |" * (2 + 3 * len(_MEASURES)),
    ]
    columns = [_column(_ends(runs, measure)) for measure in _MEASURES]
    for way, found in runs.items():
        accepted = statistics.fmean(each["accepted"] for each in found)
        cells = " | ".join(column[way] for column in columns)
        lines.append(f"| {way} | {len(found)} | {accepted:.0f} | {cells} |")
    return "\n".join(lines) + "\n"


def _ends(runs: Mapping[str, Sequence[Mapping[str, Any]]], measure: str) -> Ends:
    return {way: {each["seed"]: 100 * each[measure] for each in runs[way]} for way in runs}


def _column(ends: Ends) -> dict[str, str]:
    """For each way its mean, how far that is above evolution's, and the corrected p."""
    differences = {
        way: paired(values, ends[EVOLUTION]) for way, values in ends.items() if way != EVOLUTION
    }
    known = {way: found for way, found in differences.items() if found is not None}
    corrected = dict(zip(known, holm([found.p for found in known.values()]), strict=True))
    leads = {
        way: f"{found.value:+.1f} ± {found.half_width:.1f} | {corrected[way]:.2g}"
        for way, found in known.items()
    }
    return {
        way: f"{statistics.fmean(values.values()):.1f} | {leads.get(way, '| ')}"
        for way, values in ends.items()
    }


def _by_way(result: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    found = {way: [each for each in result["runs"] if each["way"] == way] for way in WAYS}
    return {way: runs for way, runs in found.items() if runs}


def _draw(result: Mapping[str, Any], path: pathlib.Path) -> None:
    from matplotlib import figure

    canvas = figure.Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = canvas.subplots()
    for way, runs in _by_way(result).items():
        curves = 100 * np.array([each["curve"] for each in runs], float)  # None becomes NaN
        # The mean begins where each seed has found a layer.
        line = axes.plot(curves.mean(0), linewidth=2, label=way)
        axes.plot(curves.T, color=line[0].get_color(), linewidth=0.7, alpha=0.4)
    axes.set_xlabel("evaluations (genotypes on which training was spent)")
    axes.set_ylabel("validation accuracy, population's ten best (%)")
    axes.set_title("each seed, and thick the mean over seeds", fontsize=9)
    canvas.legend(loc="outside upper center", ncols=2, fontsize=8)
    canvas.savefig(path, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
