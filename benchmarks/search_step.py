"""Seconds per training step of the paper's ResNet50-CIFAR proxy, layers side by side.

    python -m benchmarks.search_step [--layers evonorm_s0 bn_relu] [--steps 5] [--json FILE]

Batch 128, 24x24 crops of 32x32 images, the search's own training loop; the images are noise,
which costs the same. The layers take turns, and each one's median over the rounds counts.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import time

import numpy as np

from search.evaluation.anchor_trainer import AnchorTrainer
from search.evaluation.evaluator import graph_or_name
from search.presets import preset
from trainers.data import ImageData, Split

_ROUNDS = 3


def noise(count: int) -> ImageData:
    """Images of CIFAR-10's shape."""
    rng = np.random.default_rng(0)

    def split() -> Split:
        images = rng.integers(256, size=(count, 32, 32, 3)).astype(np.uint8)
        return Split(images, (np.arange(count) % 10).astype(np.int32))

    return ImageData.from_splits(split(), split(), split())


def main() -> None:
    """Prints the seconds per step, and writes them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", nargs="+", default=["evonorm_s0", "bn_relu"])
    parser.add_argument("--anchor", default="resnet50_cifar")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    settings = dataclasses.replace(
        preset("paper-s").evaluation, steps=1 + _ROUNDS * options.steps, learning_rate=1e-3
    )
    images = noise(1024)
    trainers = {}
    for layer in options.layers:
        graph, name = graph_or_name(layer)
        trainers[layer] = AnchorTrainer(options.anchor, images, settings, 0, norm_act=name)
        trainers[layer].start(graph)
        trainers[layer].train(0, 1)  # the trace is not a step
    seconds: dict[str, list[float]] = {layer: [] for layer in trainers}
    for index in range(_ROUNDS):
        first = 1 + index * options.steps
        for layer, trainer in trainers.items():
            start = time.perf_counter()
            trainer.train(first, first + options.steps)
            seconds[layer].append((time.perf_counter() - start) / options.steps)
    result = {layer: statistics.median(values) for layer, values in seconds.items()}
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
