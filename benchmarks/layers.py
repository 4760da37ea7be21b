"""Time and memory of each layer's training pass over Keras's BatchNormalization + ReLU.

    python -m benchmarks.layers [--layers evonorm_s0 ...] [--shapes 32x56x56x128 ...]
        [--dtype float32] [--rounds 10] [--xla] [--json FILE]

Time: forward and backward as a tf.function (with --xla compiled), median of the rounds'
ratios; in each round all layers take turns. "graph" is the same formula as a GraphLayer, from
plain operations. Memory: how much higher the process's peak gets for each further layer of a
chain, in units of the layer's input; what a layer keeps for its backward pass.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

_DEPTHS = (8, 24)
_RIVAL = "keras_bn_relu"


def make(name: str, dtype: str):
    """A layer by its registered name, "NAME graph" for its graph, or the rival."""
    import tensorflow as tf

    import evonorm_tf as en

    policy = dtype if dtype == "float32" else f"mixed_{dtype}"
    if name == _RIVAL:
        norm = tf.keras.layers.BatchNormalization(dtype=policy)
        return tf.keras.Sequential([norm, tf.keras.layers.ReLU(dtype=policy)])
    registered, _, graph = name.partition(" ")
    if graph:
        return en.GraphLayer(en.registry.graph(registered), dtype=policy)
    return en.get(registered, dtype=policy)


def training_pass(layers: list, xla: bool) -> Callable:
    """The gradients of a chain of layers for its input and weights."""
    import tensorflow as tf

    @tf.function(autograph=False, jit_compile=xla)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for layer in layers:
                y = layer(y, training=True)
        return tape.gradient(y, [x, *(w for layer in layers for w in layer.trainable_weights)])

    return run


def times(names: list[str], shape: list[int], dtype: str, rounds: int, xla: bool) -> dict:
    """Median ratio of each layer's seconds to the rival's in the same round."""
    import tensorflow as tf

    x = tf.cast(tf.random.stateless_normal(shape, [1, 2]), dtype)
    passes = {}
    for name in [_RIVAL, *names]:
        layer = make(name, dtype)
        layer.build(x.shape)
        passes[name] = training_pass([layer], xla)
        passes[name](x)
    seconds: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(rounds):
        for name, run in passes.items():
            start = time.perf_counter()
            run(x)[0].numpy()
            seconds[name].append(time.perf_counter() - start)
    ratios = {
        name: statistics.median(a / b for a, b in zip(each, seconds[_RIVAL], strict=True))
        for name, each in seconds.items()
    }
    return {"milliseconds": 1e3 * statistics.median(seconds[_RIVAL]), "ratios": ratios}


def kept(name: str, shape: list[int], dtype: str) -> float:
    """Input-sized arrays that a layer keeps, by the peaks of a short and a long chain."""
    peaks = []
    for depth in _DEPTHS:
        arguments = [name, "x".join(map(str, shape)), dtype, str(depth)]
        command = [sys.executable, "-m", "benchmarks.layers", "--peak-of", *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(float(done.stdout.split()[-1]))
    return (peaks[1] - peaks[0]) / (_DEPTHS[1] - _DEPTHS[0])


def _peak(name: str, shape: list[int], dtype: str, depth: int) -> float:
    """Peak of the resident memory in a chain's training pass, in units of its input."""
    import tensorflow as tf

    x = tf.cast(tf.random.stateless_normal(shape, [1, 2]), dtype)
    layers = [make(name, dtype) for _ in range(depth)]
    for layer in layers:
        layer.build(x.shape)
    run = training_pass(layers, xla=False)
    before = _memory("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    run(x)
    run(x)
    return (_memory("VmHWM") - before) / (x.dtype.size * x.shape.num_elements())


def _memory(name: str) -> int:
    """A line of the process's status, in bytes."""
    text = pathlib.Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) * 1024


def main() -> None:
    """Prints ratios for each shape, and writes them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    layers = ["evonorm_b0", "evonorm_s0", "evonorm_b0 graph", "evonorm_s0 graph", "gn_relu"]
    parser.add_argument("--layers", nargs="+", default=layers)
    parser.add_argument("--shapes", nargs="+", default=["32x56x56x128"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--xla", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--peak-of", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.peak_of:
        name, shape, dtype, depth = options.peak_of
        print(_peak(name, _sizes(shape), dtype, int(depth)))
        return
    result = {}
    for shape in options.shapes:
        sizes = _sizes(shape)
        found = times(options.layers, sizes, options.dtype, options.rounds, options.xla)
        found["kept"] = {
            name: kept(name, sizes, options.dtype) for name in [_RIVAL, *options.layers]
        }
        result[shape] = found
        print(f"{shape} {options.dtype}: {_RIVAL} {found['milliseconds']:.1f} ms")
        for name, ratio in found["ratios"].items():
            print(f"  {name:20} time {ratio:5.2f}x  keeps {found['kept'][name]:5.2f} inputs")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split("x")]


if __name__ == "__main__":
    main()
