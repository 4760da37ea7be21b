"""Milliseconds of whole networks in inference, compared with Keras's batch normalization + ReLU.

    python -m benchmarks.latency [--networks resnet50 ...] [--layers evonorm_s0 ...] [--rounds 10]
        [--write FOLDER]

One image of 224x224 pixels, on one thread and on two, as a SavedModel in TensorFlow and as a LiteRT
file. Both fold batch normalization into the convolution before it, so the rival costs nothing but
its convolutions. All models of a network run in turn; the ratio is the median over the rounds of
that to the rival in the same round. Run it on an idle machine; it takes some five minutes.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks import machine
from benchmarks.contenders import RIVAL
from benchmarks.networks import compared, keras_bn_relu
from evonorm_tf.files import write_whole

NETWORKS = ("resnet50", "mobilenet_v2")
RUNTIMES = ("SavedModel", "LiteRT")
_LAYERS = ("evonorm_b0", "evonorm_s0", "gn_relu")
_THREADS = (1, 2)
_SIDE, _WARM, _CALLS = 224, 3, 5

Run = Callable[[], object]


def main() -> None:
    """Measures each network on each number of threads, in processes of their own."""
    options = _options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if options.measure:
        network, threads = options.measure
        print(json.dumps(measured(network, options.layers, int(threads), options.rounds)))
        return
    rows = {}
    for network in options.networks:
        for threads in _THREADS:
            rows.update(_in_a_process(network, threads, options))
            print(report(rows), flush=True)
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        result = {"machine": machine.processor(), "rows": rows}
        write_whole(options.write / "latency.json", (json.dumps(result, indent=1) + "\n").encode())
        (options.write / "latency.md").write_text(report(rows), encoding="utf-8")


def measured(network: str, layers: list[str], threads: int, rounds: int) -> dict[str, Any]:
    """Milliseconds and ratio of each layer, by "network, runtime, threads"."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    runs: dict[str, dict[str, Run]] = {runtime: {} for runtime in RUNTIMES}
    for layer in (RIVAL, *layers):
        model = _network(network, keras_bn_relu if layer == RIVAL else layer)
        signature = _inference(model)
        runs["SavedModel"][layer] = _saved_model(model, signature)
        runs["LiteRT"][layer] = _lite(model, signature, threads)
    named = f"{threads} thread" if threads == 1 else f"{threads} threads"
    return {
        f"{network}, {runtime}, {named}": compared(contenders, _seconds, rounds)
        for runtime, contenders in runs.items()
    }


def report(rows: dict[str, Any]) -> str:
    """The table in Markdown: milliseconds, and the ratio to the rival."""
    layers = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(layers)} |", "| --- |" + " ---: |" * len(layers)]
    for name, row in rows.items():
        cells = [f"{row[x]['milliseconds']:.1f} ms, {row[x]['ratio']:.2f}" for x in layers]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _seconds(run: Run) -> float:
    """The median of some calls, after some that fill the caches."""
    found = []
    for _ in range(_WARM + _CALLS):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return statistics.median(found[_WARM:])


def _network(network: str, norm_act: Any) -> Any:
    from trainers.models.mobilenet_v2 import mobilenet_v2
    from trainers.models.resnet import resnet

    shape = (_SIDE, _SIDE, 3)
    if network == "resnet50":
        return resnet(50, norm_act, version=1, input_shape=shape)
    return mobilenet_v2(1.0, norm_act, input_shape=shape)


def _inference(model: Any) -> Any:
    """The concrete function of one image, which both runtimes are given."""
    import tensorflow as tf

    function = tf.function(lambda images: model(images, training=False))
    return function.get_concrete_function(tf.TensorSpec((1, _SIDE, _SIDE, 3), name="images"))


def _saved_model(model: Any, signature: Any) -> Run:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder, signatures=signature)
        loaded = tf.saved_model.load(folder)
    served, image = loaded.signatures["serving_default"], tf.ones((1, _SIDE, _SIDE, 3))

    def run() -> object:
        return loaded and served(images=image)  # which loses its variables without `loaded`

    return run


def _lite(model: Any, signature: Any, threads: int) -> Run:
    import tensorflow as tf
    from ai_edge_litert import interpreter as litert

    converter = tf.lite.TFLiteConverter.from_concrete_functions([signature], model)
    interpreter = litert.Interpreter(model_content=converter.convert(), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter.invoke


def _in_a_process(network: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.latency", "--measure", network, str(threads)]
    command += ["--rounds", str(options.rounds), "--layers", *options.layers]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--layers", nargs="+", default=list(_LAYERS))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--write", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
