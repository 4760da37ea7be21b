"""What the first training step of a converted network costs, compared with Keras's own layers.

    python -m benchmarks.first_step [--networks MobileNetV2 ...] [--layers evonorm_s0 ...]
        [--size 96] [--batch 32] [--rounds 3]

The first step traces the network and compiles what it needs. Each measurement is a process of its
own: it builds the network of tf.keras.applications, converts it, and trains it on one batch of
noise, twice. In each round all layers take turns, Keras's first; the table has medians of the
seconds, processor seconds of all threads together and elapsed ones, and of the ratios to Keras's
in the same round. The layers' C code is compiled once before all rounds, as on the
first use on a machine; `--without-cpu-kernel` measures them without it.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks import machine

_NETWORKS = ["MobileNetV2", "EfficientNetB0", "ResNet50"]
_RIVAL = "keras"


def measure(network: str, layer: str, size: int, batch: int) -> dict[str, float]:
    """Seconds of this process: of conversion, and of the first and the second step."""
    import tensorflow as tf

    import evonorm_tf as en

    build = getattr(tf.keras.applications, network)
    model = build(weights=None, input_shape=(size, size, 3), classes=10)
    seconds: dict[str, float] = {}
    with _timed("conversion", seconds):
        if layer != _RIVAL:
            model, _ = en.convert_model(model, layer)
    model.compile("sgd", "sparse_categorical_crossentropy")
    images = tf.random.stateless_normal([batch, size, size, 3], [1, 2])
    labels = tf.zeros([batch], tf.int32)
    for step in ("first", "second"):
        with _timed(step, seconds):
            model.train_on_batch(images, labels)
    return seconds


@contextlib.contextmanager
def _timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Adds the processor and the elapsed seconds of its block, under a name."""
    cpu, elapsed = time.process_time(), time.perf_counter()
    yield
    seconds[f"{name} cpu"] = time.process_time() - cpu
    seconds[f"{name} elapsed"] = time.perf_counter() - elapsed


def in_a_process(network: str, layer: str, options: argparse.Namespace) -> dict[str, float]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", __spec__.name, "--networks", network, "--layers", layer]
    command += ["--size", str(options.size), "--batch", str(options.batch), "--one"]
    environment = dict(os.environ)
    if options.without_cpu_kernel:
        environment["EVONORM_CPU_KERNEL"] = "0"
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints a table for each network."""
    options = _options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    machine.prepare()
    if options.one:
        (network,), (layer,) = options.networks, options.layers
        print(json.dumps(measure(network, layer, options.size, options.batch)))
        return
    print(machine.describe())
    for layer in options.layers:
        in_a_process("MobileNetV2", layer, options)  # compiles the C code
    for network in options.networks:
        names = [_RIVAL, *options.layers]
        rounds = [
            {name: in_a_process(network, name, options) for name in names}
            for _ in range(options.rounds)
        ]
        _show(network, names, rounds)


def _show(network: str, names: list[str], rounds: list[dict[str, dict[str, float]]]) -> None:
    for name in names:
        parts = []
        for what in rounds[0][name]:
            seconds = statistics.median(each[name][what] for each in rounds)
            parts.append(f"{what} {seconds:6.2f} s")
            if what.startswith("first"):
                ratios = [each[name][what] / each[_RIVAL][what] for each in rounds]
                parts[-1] += f" ({statistics.median(ratios):.2f}x)"
        print(f"{network:16} {name:12} {', '.join(parts)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=_NETWORKS)
    parser.add_argument("--layers", nargs="+", default=["evonorm_s0", "evonorm_b0"])
    parser.add_argument("--size", type=int, default=96, help="of the images")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-cpu-kernel", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
