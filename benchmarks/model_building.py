"""Processor seconds of building a network, over tf.keras.applications' of the same name.

    python -m benchmarks.model_building [--layers bn_relu evonorm_s0 ...] [--rounds 5] [--json FILE]

In each round a network is built by Keras and then with each layer; the median of the rounds'
ratios counts, so that what else the machine does weighs on both alike.
"""

import argparse
import functools
import gc
import json
import pathlib
import statistics
import time
from collections.abc import Callable

import trainers  # noqa: F401  (chooses Keras 2)

# isort: split
import tensorflow as tf

from trainers.models.efficientnet import efficientnet
from trainers.models.mobilenet_v2 import mobilenet_v2
from trainers.models.resnet import resnet

_PAIRS: dict[str, tuple[Callable, Callable]] = {
    "ResNet50": (
        lambda: tf.keras.applications.ResNet50(weights=None),
        lambda layer: resnet(50, layer, version=1),
    ),
    "ResNet50V2": (
        lambda: tf.keras.applications.ResNet50V2(weights=None),
        lambda layer: resnet(50, layer),
    ),
    "MobileNetV2": (
        lambda: tf.keras.applications.MobileNetV2(weights=None),
        lambda layer: mobilenet_v2(1.0, layer),
    ),
    "EfficientNetB0": (
        lambda: tf.keras.applications.EfficientNetB0(weights=None),
        lambda layer: efficientnet("b0", layer),
    ),
}


def seconds(build: Callable[[], tf.keras.Model]) -> float:
    """Processor seconds of one call, all threads together."""
    tf.keras.backend.clear_session()
    gc.collect()
    start = time.process_time()
    build()
    return time.process_time() - start


def measure(layers: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """The median ratio of each network and layer."""
    result = {}
    for name, (keras_build, our_build) in _PAIRS.items():
        ratios: dict[str, list[float]] = {layer: [] for layer in layers}
        seconds(keras_build)  # the first call imports and compiles
        for _ in range(rounds):
            keras = seconds(keras_build)
            for layer in layers:
                ratios[layer].append(seconds(functools.partial(our_build, layer)) / keras)
        result[name] = {layer: statistics.median(each) for layer, each in ratios.items()}
        print(name, {layer: round(ratio, 2) for layer, ratio in result[name].items()}, flush=True)
    return result


def main() -> None:
    """Prints the ratios, and writes them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--layers", nargs="+", default=["bn_relu", "evonorm_b0", "evonorm_s0", "gn_relu"]
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    result = measure(options.layers, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
