"""Training steps of whole networks, compared with Keras's BatchNormalization + ReLU in them.

    python -m benchmarks.networks [--networks resnet50 ...] [--layers evonorm_s0 ...]
        [--rounds 5] [--gib 8] [--write FOLDER]

Five minutes for times; one more for each network and layer with `--gib`. `--write` puts all
into FOLDER/networks.json, in addition to what it holds, and a table and a figure next to it.

A step is loss, gradients and an update by SGD with momentum, as a tf.function. Time: median
over the rounds of the ratio to the rival's in the same round. Memory, with `--gib`: the largest
batch whose step fits in so much, from the peaks of resident memory at two batch sizes. A layer with
`+recompute` after its name is in a network whose convolutions compute its output again in the
backward pass.
"""

import argparse
import json
import os
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import machine, peaks
from benchmarks.contenders import RIVAL

_SIZES = {
    "resnet50": (32, 64),
    "mobilenet_v2": (32, 64),
    "resnet50_cifar": (128, 24),
    "mobilenet_v2_cifar": (128, 24),
    "efficientnet_b0_cifar": (128, 24),
}
_LAYERS = ["bn_relu", "gn_relu", "evonorm_b0", "evonorm_s0"]
_CLASSES = 10
_RECOMPUTE = "+recompute"


def keras_bn_relu(nonlinearity: bool, name: str) -> Any:
    """Keras's layers, as a network asks for them."""
    import tensorflow as tf

    norm = tf.keras.layers.BatchNormalization(name=name)
    if not nonlinearity:
        return norm
    return tf.keras.Sequential([norm, tf.keras.layers.ReLU()], name=f"{name}_relu")


def make_step(network: str, layer: str, batch: int) -> Callable[[], float]:
    """A training step that returns its loss."""
    import tensorflow as tf

    from trainers.models.anchors import ANCHORS
    from trainers.models.mobilenet_v2 import mobilenet_v2
    from trainers.models.resnet import resnet

    norm_act = keras_bn_relu if layer == RIVAL else layer.removesuffix(_RECOMPUTE)
    size = _SIZES[network][1]
    common: dict[str, Any] = {
        "num_classes": _CLASSES,
        "input_shape": (size, size, 3),
        "recompute": layer.endswith(_RECOMPUTE),
    }
    if network in ANCHORS:
        model = ANCHORS[network].build(norm_act=norm_act, **ANCHORS[network].arguments, **common)
    elif network == "resnet50":
        model = resnet(50, norm_act, **common)
    else:
        model = mobilenet_v2(1.0, norm_act, **common)
    optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
    images = tf.random.stateless_normal((batch, size, size, 3), [1, 2])
    labels = tf.range(batch) % _CLASSES
    loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(autograph=False)
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return lambda: float(step(images, labels))


def times(network: str, layers: list[str], rounds: int) -> dict[str, dict]:
    """Milliseconds and ratio of each layer's step."""
    batch = _SIZES[network][0]
    steps = {layer: make_step(network, layer, batch) for layer in [RIVAL, *layers]}
    for step in steps.values():
        step(), step()
    return compared(steps, _seconds, rounds)


def compared(
    runs: dict[str, Callable], seconds_of: Callable[[Callable], float], rounds: int
) -> dict[str, dict[str, float]]:
    """Milliseconds of each run, and the ratio to the rival's in the same round; medians."""
    seconds = [{layer: seconds_of(run) for layer, run in runs.items()} for _ in range(rounds)]
    return {
        layer: {
            "milliseconds": 1e3 * statistics.median(each[layer] for each in seconds),
            "ratio": statistics.median(each[layer] / each[RIVAL] for each in seconds),
        }
        for layer in runs
    }


def largest_batch(network: str, layer: str, gib: float) -> int:
    """Images whose step fits in so much memory, if its growth is linear."""
    # Of arrays below 32 MB the C library keeps some that were freed: small batches mislead.
    few, many = (factor * _SIZES[network][0] for factor in (4, 8))
    small, large = (
        peaks.in_a_process(__spec__.name, network, layer, number) for number in (few, many)
    )
    each = (large - small) / (many - few)
    return int((gib * 2**30 - (small - each * few)) / each)


def _seconds(step: Callable) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Prints a table for each network, and writes it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(_SIZES), choices=list(_SIZES))
    parser.add_argument("--layers", nargs="+", default=_LAYERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gib", type=float)
    parser.add_argument("--write", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--peak-of", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    machine.prepare()
    if options.peak_of:
        network, layer, batch = options.peak_of
        print(peaks.peak_during(make_step(network, layer, int(batch))))
        return
    for network in options.networks:
        batch, size = _SIZES[network]
        rows = times(network, options.layers, options.rounds)
        print(f"{network}, {batch} images of {size}x{size}")
        for layer, row in rows.items():
            print(f"  {layer:16} {row['milliseconds']:8.0f} ms {row['ratio']:5.2f}x", flush=True)
            if options.gib:
                number = largest_batch(network, layer, options.gib)
                row["largest_batch"] = {"gib": options.gib, "images": number}
                print(f"      {number} images in {options.gib:g} GiB", flush=True)
        if options.write:
            _write(options.write, network, {"batch": batch, "size": size, "layers": rows})
    if options.write:
        from benchmarks import networks_plot

        networks_plot.draw(options.write)
        networks_plot.tabulate(options.write)


def _write(folder: pathlib.Path, network: str, result: dict) -> None:
    """Figures of one network here, of which what was not measured now stays."""
    path = folder / "networks.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results = record.setdefault(machine.describe(), {})
    old = results.get(network, {}).get("layers", {})
    new = result["layers"]
    result["layers"] = {**old, **{layer: {**old.get(layer, {}), **new[layer]} for layer in new}}
    results[network] = result
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
