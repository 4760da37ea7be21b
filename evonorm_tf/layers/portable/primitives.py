"""The 24 primitives of the search space (paper section 3, table 2) on Keras's operations.

DIV replaces a divisor, and LOG an argument, of a magnitude below EPSILON by EPSILON with the same
sign, and SQRT is linear between -EPSILON and EPSILON; elsewhere all three are exact.
"""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops as keras_ops

from evonorm_tf.graph import ops
from evonorm_tf.layers.portable import float64
from evonorm_tf.layers.portable.statistics import Statistics

_EPSILON = ops.EPSILON


def _at_least_epsilon(x: Any) -> Any:
    return float64.maximum(keras_ops.abs(x), keras_ops.full_like(x, _EPSILON))


def _div(x: Any, y: Any) -> Any:
    floor = keras_ops.full_like(y, _EPSILON)
    signed_floor = keras_ops.where(y < 0, -floor, floor)
    return x / keras_ops.where(keras_ops.abs(y) < _EPSILON, signed_floor, y)


def _log(x: Any) -> Any:
    return keras_ops.sign(x) * keras_ops.log(_at_least_epsilon(x))


def _sqrt(x: Any) -> Any:
    return x / keras_ops.sqrt(_at_least_epsilon(x))


ELEMENTWISE = {
    "ADD": keras_ops.add,
    "MUL": keras_ops.multiply,
    "DIV": _div,
    "MAX": float64.maximum,
    "NEG": keras_ops.negative,
    "SIGMOID": keras_ops.sigmoid,
    "TANH": float64.tanh,
    "EXP": keras_ops.exp,
    "LOG": _log,
    "ABS": keras_ops.abs,
    "SQUARE": keras_ops.square,
    "SQRT": _sqrt,
}


def moment(op: str, x: Any, index_set: str, statistics: Statistics) -> Any:
    """The mean (op MEAN), second moment (RMS) or variance (STD) over an index set."""
    if op == "STD":
        return statistics.moments(x, index_set).variance
    return statistics.mean(keras_ops.square(x) if op == "RMS" else x, index_set)


def finish_moment(op: str, moment: Any, epsilon: float) -> Any:
    """The value of an aggregation from its moment: sqrt(moment + epsilon) for RMS and STD."""
    return moment if op == "MEAN" else keras_ops.sqrt(moment + epsilon)


def check_are_the_papers(names: Iterable[str]) -> None:
    """Raises ValueError for a registered primitive, which is a function of TensorFlow."""
    found = sorted({name for name in names if ops.registered(name)})
    if found:
        raise ValueError(
            "registered primitives need Keras with the backend TensorFlow. Received: "
            f"{', '.join(found)} with the backend {keras.backend.backend()!r}"
        )
