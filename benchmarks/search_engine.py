"""What an evaluation costs in networks traced once, and in networks traced for each layer.

    python -m benchmarks.search_engine [--preset demo] [--candidates 5] [--memory 2000]
                                       [--json FILE] [--set ...]

Each candidate goes through the preset's quality test, stability test and training on each anchor,
in three ways: in a network that is traced once, with the layer in compiled C code and with the
layer in NumPy, in turn, and in a network that is built and traced for it. Times are processor
seconds of one thread, without the first candidate of each anchor, which pays for the one trace.
BN-ReLU, in a network that has been traced, shows what no engine can save. With --memory, as many
random layers also take one training step and a score in one process; its resident memory is read
every hundred.
"""

import argparse
import gc
import json
import os
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import processor
from evonorm_tf import c_code, registry
from evonorm_tf.graph.layer_graph import LayerGraph
from search.cli import quiet_tensorflow
from search.config import Evaluation
from search.evolution import space
from search.presets import preset

_NAMES = (
    "evonorm_b0",
    "evonorm_s0",
    "rs_rej",
    "evonorm_b1",
    "evonorm_s2",
    "evonorm_b2",
    "b0_no_v1x",
)


def _verdict(trainer: Any, settings: Evaluation, validation: Any) -> dict[str, float]:
    gc.collect()  # what another way has left is no cost of this one
    start = time.process_time()
    trainer.train(0, settings.quality_steps)
    quality = trainer.accuracy(validation)
    norm, _ = trainer.largest_gradient()
    trainer.train(settings.quality_steps, settings.steps)
    score = trainer.accuracy(validation)
    seconds = time.process_time() - start
    return {"quality": quality, "norm": norm, "score": score, "seconds": seconds}


def compare(settings: Evaluation, candidates: int) -> dict[str, Any]:
    """The verdicts of the three ways on each anchor, and their seconds."""
    from search.evaluation.anchor_trainer import AnchorTrainer
    from search.evaluation.images import load_data

    images = load_data(settings)
    rows: list[dict[str, Any]] = []
    known = {}
    for anchor in settings.anchors:
        shared = AnchorTrainer(anchor, images, settings, 0)
        shared.start(registry.graph("evonorm_s1"))
        _verdict(shared, settings, images.validation)  # the one trace
        of_anchor: list[dict[str, Any]] = []
        for name in _NAMES[:candidates]:
            row: dict[str, Any] = {"anchor": anchor, "layer": name}
            for way, switch in (("compiled", "1"), ("numpy", "0")):
                os.environ[c_code.SWITCH] = switch
                shared.start(registry.graph(name))
                row[way] = _verdict(shared, settings, images.validation)
            of_anchor.append(row)
        os.environ[c_code.SWITCH] = "1"
        # Not in turn with the others: TensorFlow prepares all functions again once one is gone.
        for row in of_anchor:
            layers = _layers(registry.graph(row["layer"]), settings)
            start = time.process_time()
            own = AnchorTrainer(anchor, images, settings, 0, norm_act=layers)
            building = time.process_time() - start
            row["traced_each"] = _verdict(own, settings, images.validation)
            row["traced_each"]["seconds"] += building
            print(row, flush=True)
        rows += of_anchor
        bn_relu = AnchorTrainer(anchor, images, settings, 0, norm_act="bn_relu")
        for _ in range(2):  # the first has the trace in it
            bn_relu.start(None)
            known[anchor] = _verdict(bn_relu, settings, images.validation)["seconds"]
    return {"rows": rows, "bn_relu_seconds": known, **_summary(rows)}


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ways = "compiled", "numpy", "traced_each"
    seconds = {way: statistics.fmean(row[way]["seconds"] for row in rows) for way in ways}
    others = ways[1:]
    return {
        "seconds": seconds,
        "times_faster": {way: seconds[way] / seconds["compiled"] for way in others},
        "differences_of_scores": {
            way: [abs(row[way]["score"] - row["compiled"]["score"]) for row in rows]
            for way in others
        },
    }


def _layers(graph: LayerGraph | None, settings: Evaluation) -> Callable[..., Any]:
    import evonorm_tf as en

    return lambda nonlinearity, name: en.GraphLayer(
        graph, groups=settings.groups, nonlinearity=nonlinearity, name=name
    )


def memory(settings: Evaluation, candidates: int) -> list[float]:
    """MiB of resident memory after each hundred candidates."""
    from search.evaluation.anchor_trainer import AnchorTrainer
    from search.evaluation.images import load_data

    images = load_data(settings)
    trainer = AnchorTrainer(settings.anchors[0], images, settings, 0)
    rng = np.random.default_rng(0)
    sizes = []
    for number in range(1, candidates + 1):
        trainer.start(_live_graph(rng))
        trainer.train(0, 1)
        trainer.accuracy(images.validation)
        if number % 100 == 0:
            sizes.append(_resident())
            print(f"{number} candidates: {sizes[-1]:.0f} MiB", flush=True)
    return sizes


def _live_graph(rng: np.random.Generator) -> LayerGraph:
    while True:
        graph = space.sample_graph(rng)
        if space.check_structure(graph) is None:
            return graph


def _resident() -> float:
    pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    """Measures, prints, and writes JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--candidates", type=int, default=5, choices=range(1, len(_NAMES) + 1))
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    settings = preset(options.preset).override(options.set).evaluation
    quiet_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    result = {
        "machine": f"{processor()}, 1 thread",
        "preset": options.preset,
        **compare(settings, options.candidates),
        "memory_mib": memory(settings, options.memory),
    }
    print(json.dumps({name: result[name] for name in result if name != "rows"}, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
