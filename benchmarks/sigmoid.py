"""The sigmoid of XLA programs on all 2^32 float32 values, against float64.

    python -m benchmarks.sigmoid [--write=FILE]

Errors are in units in the last place of the exact value, also those of TensorFlow's own sigmoid.
Takes some minutes on two cores.
"""

import argparse
import json
import pathlib

import numpy as np
import tensorflow as tf
from rich.progress import track

from evonorm_tf.xla_cpu.sigmoid import sigmoid

_CHUNK = 2**24
# Results below it are subnormal and not counted: TensorFlow lets the processor flush them to 0.
_SMALLEST_NORMAL = 2.0**-126


@tf.function(autograph=False)
def _exact(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The float64 sigmoid, and the unit in the last place of a float32 of its size."""
    exact = tf.sigmoid(tf.cast(values, tf.float64))
    exponent = tf.maximum(tf.bitwise.right_shift(tf.bitcast(exact, tf.int64), 52), 23)
    return exact, tf.bitcast(tf.bitwise.left_shift(exponent - 23, 52), tf.float64)


@tf.function(autograph=False)
def _worst(values: tf.Tensor, found: tf.Tensor, exact: tf.Tensor, unit: tf.Tensor):
    """The largest error in units in the last place, where it is, and how many values are NaN."""
    error = tf.abs(tf.cast(found, tf.float64) - exact) / unit
    # The difference is NaN if either value is: an infinite error, unless both are NaN.
    error = tf.where(tf.math.is_nan(error), tf.constant(np.inf, tf.float64), error)
    both = tf.logical_and(tf.math.is_nan(values), tf.math.is_nan(found))
    flushed = tf.logical_and(exact < _SMALLEST_NORMAL, found < _SMALLEST_NORMAL)
    error = tf.where(tf.logical_or(both, flushed), tf.constant(-1.0, tf.float64), error)
    index = tf.argmax(error)
    return error[index], values[index], tf.math.count_nonzero(both)


def measure(chunks: int = 2**32 // _CHUNK) -> dict[str, dict[str, float]]:
    """The worst error of both functions, where it is, and how many values were NaN."""
    program = tf.function(sigmoid, jit_compile=True, autograph=False)
    program.get_concrete_function(tf.TensorSpec([_CHUNK], tf.float32))
    functions = {"program": program, "tensorflow": tf.sigmoid}
    worst = {name: {"ulps": -1.0, "at": 0.0, "nan": 0} for name in functions}
    for chunk in track(range(chunks), "all float32 values"):
        bits = np.arange(chunk * _CHUNK, (chunk + 1) * _CHUNK, dtype=np.uint32)
        values = tf.constant(bits.view(np.float32))
        exact, unit = _exact(values)
        for name, function in functions.items():
            _take(worst[name], *map(float, _worst(values, function(values), exact, unit)))
    return worst


def _take(worst: dict[str, float], ulps: float, at: float, nan: float) -> None:
    worst["nan"] += int(nan)
    if ulps > worst["ulps"]:
        worst["ulps"], worst["at"] = ulps, at


def main() -> None:
    """Measures, prints, and writes the file if one is given."""
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
