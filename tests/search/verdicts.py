"""Reference verdicts of the search, which every Keras must give again.

    TF_USE_LEGACY_KERAS=1 python -m tests.search.verdicts

writes `verdicts.json`, in the everyday environment with Keras 2.
"""

import json
import pathlib

import numpy as np

from evonorm_tf import registry
from search.evaluation import networks
from search.evaluation.evaluator import Evaluator
from search.presets import preset
from search.replay import table
from trainers import data
from trainers.models.anchors import ANCHORS

FILE = pathlib.Path(__file__).with_name("verdicts.json")
NAMES = ("evonorm_b0", "evonorm_s0", "evonorm_s2")
# Rows of the packaged layers, by what the search had found out about them.
ROWS = {
    "constant": (1,),
    "flat": (3,),
    "signal": (0,),
    "not_finite": (2995,),
    "zero_gradient": (465,),
    "quality": (48199,),
    "stability": (73, 46496),
    "accepted": (24115, 1124, 42647),
}
# Trainings are short, since each step amplifies rounding. The stability test has both networks.
# Layers that do not normalize are judged by the tests after that rule.
SETTINGS = (
    "evaluation.reject_unnormalized=false",
    "evaluation.steps=24",
    "evaluation.quality_steps=12",
    "evaluation.halving_ratio=0.0",
    "evaluation.stability_steps=3",
    "evaluation.stability_anchors=2",
)
SEED = 3
# One of 360 images, and thrice what the last bit of every initial weight changes in a norm: 1.2e-4
# for evonorm_b0, and at most 2.4e-5 for the others. It changes no score. Keras 3 with TensorFlow
# 2.21 gave the same bits as Keras 2 with 2.20 on one machine; without oneDNN, norms within 5.5e-6.
TOLERANCES = {"scores": 1.01 / 360, "norms": 3.6e-4}


def evaluator():
    """An evaluator of the preset demo with short trainings."""
    return Evaluator(preset("demo").override(SETTINGS))


def graphs():
    """The JSON of each graph by a name."""
    packaged = table.Table.load(table.PACKAGED)
    found = {name: registry.graph(name).to_json() for name in NAMES}
    for verdict, rows in ROWS.items():
        found |= {f"{verdict}_{row}": packaged.graph(row).to_json() for row in rows}
    return found


def verdict_of(judge, graph):
    """What the search finds out about a graph: the verdict, the scores and the gradient norms."""
    reason = judge.probe(graph)["reason"]
    if reason is not None:
        return {"verdict": reason}
    outcome = judge.evaluate(graph, rejects=True)
    if outcome.reason is not None:
        return {"verdict": outcome.reason}
    return {
        "verdict": outcome.status,
        "scores": outcome.scores,
        "norms": outcome.stages["stability"]["norms"],
    }


def difference(key, one, other):
    """The largest difference of two verdicts in "scores", or the largest relative one in "norms".

    Of a rejected layer there are none.
    """
    pairs = [(one[key][anchor], other[key][anchor]) for anchor in one.get(key, ())]
    return max((abs(a - b) / (1.0 if key == "scores" else a) for a, b in pairs), default=0.0)


def projections(anchor):
    """One number of each initial weight of a network."""
    settings = preset("demo").evaluation
    model = networks.build(anchor, data.load("digits"), settings, SEED)
    return [float(w.ravel() @ np.cos(np.arange(w.size))) for w in model.get_weights()]


def main():
    """Writes the reference; prints what the last bit of every initial weight changes in it."""
    judge = evaluator()
    layers = graphs()
    found = {name: verdict_of(judge, graph) for name, graph in layers.items()}
    initial = {anchor: judge._trainer(anchor, None)._initial for anchor in judge._settings.anchors}
    for towards in (np.inf, -np.inf):
        for anchor, weights in initial.items():
            moved = [np.nextafter(weight, np.float32(towards)) for weight in weights]
            judge._trainer(anchor, None)._initial = moved
        for name, graph in layers.items():
            other = verdict_of(judge, graph)
            assert other["verdict"] == found[name]["verdict"], f"rounding decides on {name}"
            print(name, {key: difference(key, found[name], other) for key in TOLERANCES})
    reference = {
        "layers": {
            name: {"graph": json.loads(graph), **found[name]} for name, graph in layers.items()
        },
        "projections": {anchor: projections(anchor) for anchor in ANCHORS},
    }
    FILE.write_text(json.dumps(reference, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
