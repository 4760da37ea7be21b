"""What the stability test rejects, and what its guessed settings decide (the paper's appendix E.2).

    python -m benchmarks.stability --out docs/search/stability.json [--layers 30] [--table FILE]

Of the table of searched layers, a sample of those that the stability test has rejected and of those
that were accepted and learn. Each is trained several times as long as the search trains, whatever
the tests say, and tested again with other settings: the number of ascent steps, their size, the
batch, and the number of networks. The paper gives up to 100 steps and a limit of 1e8, and neither
step size nor batch.

FILE keeps every result; a stopped run resumes with those that are missing. The report is also
written next to it, as Markdown.
"""

import argparse
import dataclasses
import math
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import shares
from benchmarks.resumable import TRAINING, Record
from evonorm_tf.graph.layer_graph import LayerGraph
from search.cli import quiet_tensorflow
from search.config import Evaluation
from search.evaluation.images import load_data
from search.presets import preset
from search.replay.table import PACKAGED, Table
from search.score_format import ScoreFormat
from trainers.data import ImageData

_TIMES_AS_LONG = 5
_SEED = 0
REJECTED, ACCEPTED = "rejected", "accepted"
# The demo's test, and what it becomes with one other setting.
TESTS: Mapping[str, Mapping[str, float]] = {
    "as in the demo: 10 steps of 0.1, 16 images": {},
    "100 steps": {"stability_steps": 100},
    "steps of 0.01": {"stability_rate": 0.01},
    "100 steps of 0.01": {"stability_steps": 100, "stability_rate": 0.01},
    "steps of 1": {"stability_rate": 1.0},
    "4 images": {"stability_batch": 4},
    "32 images": {"stability_batch": 32},
}
# Rows of the report: a title, a test, and in how many networks, the cheapest first.
_TESTED = (
    *((name, name, 1) for name in TESTS),
    ("as in the demo, on both networks", next(iter(TESTS)), 2),
)
Layers = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Trains and tests what is missing, and writes the results and the report."""
    options = _options()
    settings = preset("demo").evaluation
    settings = dataclasses.replace(settings, steps=_TIMES_AS_LONG * settings.steps)
    record = Record(options.out, vars(settings), (*TRAINING, "anchors"))
    table = Table.load(options.table)
    chosen = sampled(table, options.layers)
    quiet_tensorflow()
    images = load_data(settings)
    for anchor in settings.anchors:
        networks = _Networks(anchor, images, settings)
        for kind, rows in chosen.items():
            for row in rows:
                layer = record.scores.setdefault(str(row), {"kind": kind, "networks": {}})
                found = layer["networks"].setdefault(anchor, {"norms": {}})
                if networks.complete(found, table.graph(row)):
                    record.write()
                    print(f"{anchor} {kind} {row}: {found}", flush=True)
    text = report(record.scores, settings.stability_limit)
    record.path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def sampled(table: Table, count: int) -> dict[str, list[int]]:
    """Rows of so many functions of each kind, drawn at random.

    The accepted ones learn: at the end of the search's training their mean accuracy is at least
    twice random guess.
    """
    firsts = np.unique(table.function)
    rejected = firsts[table.verdict[firsts] == "stability"]
    accepted = firsts[table.verdict[firsts] == "accepted"]
    near = ScoreFormat().is_near_chance
    learning = [row for row in accepted if not near(float(table.mean_scores[row].mean()))]
    rng = np.random.default_rng(_SEED)
    return {
        kind: rng.permutation(rows)[:count].tolist()
        for kind, rows in ((REJECTED, rejected), (ACCEPTED, learning))
    }


class _Networks:
    """An anchor, traced once for the training and once for each test."""

    def __init__(self, anchor: str, images: ImageData, settings: Evaluation):
        from search.evaluation.anchor_trainer import AnchorTrainer

        self._images, self._steps = images, settings.steps
        self._trainer = AnchorTrainer(anchor, images, settings, _SEED)
        self._tests = {name: self._trainer.other(**changes) for name, changes in TESTS.items()}

    def complete(self, found: dict[str, Any], graph: LayerGraph) -> bool:
        """Adds the norms of missing tests, and how the long training ends; whether any was."""
        missing = [name for name in TESTS if name not in found["norms"]]
        for name in missing:
            trainer = self._tests[name]
            trainer.start(graph)
            norm, _ = trainer.largest_gradient()
            found["norms"][name] = norm if math.isfinite(norm) else None  # JSON has no infinity
        untrained = "accuracies" not in found
        if untrained:
            found |= self._trained(graph)
        return untrained or bool(missing)

    def _trained(self, graph: LayerGraph) -> dict[str, Any]:
        self._trainer.start(graph)
        early = self._steps // _TIMES_AS_LONG
        finite = self._trainer.train(0, early)
        accuracies = [self._accuracy(finite)]
        finite = finite and self._trainer.train(early, self._steps)
        return {"finite": finite, "accuracies": [*accuracies, self._accuracy(finite)]}

    def _accuracy(self, finite: bool) -> float:
        return self._trainer.accuracy(self._images.validation) if finite else 0.0


def report(layers: Layers, limit: float) -> str:
    """How the long trainings of both kinds end, and how many layers each test rejects."""
    kinds = {kind: _of(layers, kind) for kind in (REJECTED, ACCEPTED)}
    lines = [
        "| layers | trainings | not finite | at random guess | accuracy of the others, median |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {kind} by the search | {_endings(found)} |" for kind, found in kinds.items()),
        "",
        "| stability test | rejects of the rejected | rejects of the accepted |",
        "| --- | ---: | ---: |",
    ]
    for title, test, networks in _TESTED:
        cells = [
            _share([rejects(networks_of[:networks], test, limit) for networks_of in found])
            for found in kinds.values()
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def rejects(networks: Sequence[Mapping[str, Any]], test: str, limit: float) -> bool:
    """Whether the gradient's norm exceeds the limit in one of the networks."""
    norms = [each["norms"][test] for each in networks]
    return any(norm is None or norm > limit for norm in norms)


def _of(layers: Layers, kind: str) -> list[list[Mapping[str, Any]]]:
    """Of each layer of a kind, what was found in each network."""
    return [list(each["networks"].values()) for each in layers.values() if each["kind"] == kind]


def _endings(found: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    trainings = [network for networks in found for network in networks]
    near = ScoreFormat().is_near_chance
    broken = [not each["finite"] for each in trainings]
    guessing = [each["finite"] and near(each["accuracies"][-1]) for each in trainings]
    learning = [
        each["accuracies"][-1]
        for each, *fails in zip(trainings, broken, guessing, strict=True)
        if not any(fails)
    ]
    middle = f"{100 * statistics.median(learning):.1f} %" if learning else "none"
    return f"{len(trainings)} | {_share(broken)} | {_share(guessing)} | {middle}"


def _share(flags: Sequence[bool]) -> str:
    if not flags:
        return "none"
    return f"{sum(flags)} of {len(flags)}, {shares.percent(sum(flags), len(flags))}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--layers", type=int, default=30, help="of each kind; default 30")
    parser.add_argument("--table", type=pathlib.Path, default=PACKAGED)
    return parser.parse_args()


if __name__ == "__main__":
    main()
