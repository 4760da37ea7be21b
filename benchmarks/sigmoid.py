"""The sigmoid of XLA programs on all 2^32 float32 values, against float64.

    python -m benchmarks.sigmoid [--write=FILE]

Errors are in units in the last place of the exact value, for TensorFlow's own sigmoid beside it.
Takes some ten minutes on two cores.
"""

import argparse
import json
import pathlib

import numpy as np
import tensorflow as tf
from rich.progress import track

from evonorm_tf.xla_cpu.sigmoid import sigmoid

_CHUNK = 2**24
# Below it a float32 has fewer digits: errors are counted in the smallest normal number's unit.
_SMALLEST_EXPONENT = -126


@tf.function(autograph=False)
def _errors(values: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
    """Of each result, in units in the last place; negative where both are NaN."""
    exact = tf.sigmoid(tf.cast(values, tf.float64))
    exponent = tf.math.floor(tf.math.log(exact) / np.log(2.0))
    unit = tf.pow(tf.constant(2.0, tf.float64), tf.maximum(exponent, _SMALLEST_EXPONENT) - 23.0)
    error = tf.abs(tf.cast(found, tf.float64) - exact) / unit
    both = tf.logical_and(tf.math.is_nan(values), tf.math.is_nan(found))
    return tf.where(both, tf.constant(-1.0, tf.float64), error)


def measure(chunks: int = 2**32 // _CHUNK) -> dict[str, dict[str, float]]:
    """The worst error of both functions, where it is, and how many values were NaN."""
    program = tf.function(sigmoid, jit_compile=True, autograph=False)
    program.get_concrete_function(tf.TensorSpec([_CHUNK], tf.float32))
    functions = {"program": program, "tensorflow": tf.sigmoid}
    worst = {name: {"ulps": -1.0, "at": 0.0, "nan": 0} for name in functions}
    for chunk in track(range(chunks), "all float32 values"):
        bits = np.arange(chunk * _CHUNK, (chunk + 1) * _CHUNK, dtype=np.uint32)
        values = tf.constant(bits.view(np.float32))
        for name, function in functions.items():
            _take(worst[name], values, _errors(values, function(values)))
    return worst


def _take(worst: dict[str, float], values: tf.Tensor, errors: tf.Tensor) -> None:
    # NaN where one of the two is none: the largest error there is.
    errors = tf.where(tf.math.is_nan(errors), tf.constant(np.inf, tf.float64), errors)
    index = int(tf.argmax(errors))
    worst["nan"] += int(tf.math.count_nonzero(errors < 0.0))
    if errors[index] > worst["ulps"]:
        worst["ulps"], worst["at"] = float(errors[index]), float(values[index])


def main() -> None:
    """Measures, prints, and writes where it is told to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=pathlib.Path, help="a JSON file for the result")
    options = parser.parse_args()
    found = measure()
    for name, row in found.items():
        print(f"{name:12} worst {row['ulps']:.3f} units at x = {row['at']!r}, {row['nan']} NaN")
    if options.write:
        options.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
