"""Accuracy and latency of converted networks in LiteRT and ONNX Runtime, compared with batch norm.

    python -m benchmarks.deployment --network NETS/resnet_v1_0.keras --data-dir DATA --out FILE
        [--layers evonorm_s0 ...] [--groups 4] [--examples 1000] [--images 2000]

The network of `benchmarks.cifar_networks` is exported as it is, where converters fold batch norm
into the convolutions, and calibrated for each layer. FILE gets, for each runtime, the accuracy on
test images, and the milliseconds for one image on one thread: all models in turn, ten times, the
median of 200 calls in all. Run it on an idle machine.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.cifar_networks import LAYERS, settings_of, standardized
from evonorm_tf.files import write_whole

RUNTIMES = ("LiteRT float32", "LiteRT int8", "ONNX Runtime")
ORIGINAL = "BatchNormalization"
_ROUNDS, _WARM, _CALLS = 10, 5, 20

Run = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Exports, measures, prints the table and writes the file."""
    options = _options()
    import tensorflow as tf

    import evonorm_tf as en
    from trainers import data

    images = data.load("cifar10", options.data_dir)
    examples = standardized(images.train.images[: options.examples], images)
    test = standardized(images.test.images[: options.images], images)
    labels = images.test.labels[: options.images]
    model = tf.keras.models.load_model(options.network, compile=False)
    rows: dict[str, Any] = {}
    runs: dict[tuple[str, str], Run] = {}
    for layer in (ORIGINAL, *options.layers):
        exported = model
        if layer != ORIGINAL:
            settings = settings_of(layer, options.groups)
            exported, _ = en.convert_model(model, layer, calibrate=examples, **settings)
        in_keras = exported.predict(test, verbose=0).argmax(1) == labels
        rows[layer] = {"Keras": {"accuracy": float(in_keras.mean())}}
        for runtime in RUNTIMES:
            runs[layer, runtime] = _MAKERS[runtime](exported, examples)
            rows[layer][runtime] = {"accuracy": _accuracy(runs[layer, runtime], test, labels)}
        print(layer, rows[layer], flush=True)
    for (layer, runtime), milliseconds in _milliseconds(runs, test).items():
        rows[layer][runtime]["milliseconds"] = milliseconds
    result = {"machine": machine.processor(), "network": options.network.stem, "rows": rows}
    write_whole(options.out, (json.dumps(result, indent=1) + "\n").encode())
    text = report(result)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def report(result: Mapping[str, Any]) -> str:
    """The table in Markdown: accuracy in percent, and milliseconds for one image."""
    heads = ["layer", "Keras", *(f"{runtime} | ms" for runtime in RUNTIMES)]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (1 + 2 * len(RUNTIMES))]
    for layer, row in result["rows"].items():
        cells = [f"{100 * row['Keras']['accuracy']:.1f}"]
        for runtime in RUNTIMES:
            cells.append(f"{100 * row[runtime]['accuracy']:.1f}")
            cells.append(f"{row[runtime]['milliseconds']:.2f}")
        lines.append(f"| `{layer}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _accuracy(run: Run, images: np.ndarray, labels: np.ndarray) -> float:
    logits = np.concatenate([run(image[None]) for image in images])
    return float((logits.argmax(1) == labels).mean())


def _milliseconds(
    runs: Mapping[tuple[str, str], Run], images: np.ndarray
) -> dict[tuple[str, str], float]:
    """The median time of one image. What slows the machine for a while slows all models."""
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(_ROUNDS):
        for key, run in runs.items():
            for index in range(_WARM + _CALLS):
                start = time.perf_counter()
                run(images[index][None])
                if index >= _WARM:
                    seconds[key].append(time.perf_counter() - start)
    return {key: 1000 * statistics.median(values) for key, values in seconds.items()}


def _lite(model: Any, examples: np.ndarray, integer: bool) -> Run:
    import tensorflow as tf
    from ai_edge_litert import interpreter as litert

    import evonorm_tf as en

    converter = tf.lite.TFLiteConverter.from_keras_model(_of_one_image(model))
    if integer:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in examples[:200])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        with en.quantizable():
            content = converter.convert()
    else:
        content = converter.convert()
    interpreter = litert.Interpreter(model_content=content, num_threads=1)
    runner = interpreter.get_signature_runner()
    (argument,) = runner.get_input_details()
    return lambda image: next(iter(runner(**{argument: image}).values()))


def _of_one_image(model: Any) -> Any:
    import tensorflow as tf

    image = tf.keras.Input(model.input_shape[1:], batch_size=1)
    return tf.keras.Model(image, model(image))


def _onnx(model: Any, examples: np.ndarray) -> Run:
    import onnxruntime
    import tensorflow as tf
    import tf2onnx

    del examples  # it needs none
    inference = tf.function(lambda images: model(images, training=False))
    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, "images")]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.onnx"
        tf2onnx.convert.from_function(inference, signature, opset=18, output_path=path)
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    return lambda image: session.run(None, {"images": image})[0]


_MAKERS: dict[str, Callable[[Any, np.ndarray], Run]] = {
    "LiteRT float32": lambda model, examples: _lite(model, examples, integer=False),
    "LiteRT int8": lambda model, examples: _lite(model, examples, integer=True),
    "ONNX Runtime": _onnx,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", type=pathlib.Path, required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--layers", nargs="+", default=LAYERS)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--images", type=int, default=2000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
