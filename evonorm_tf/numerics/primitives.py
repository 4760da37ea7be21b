"""The 24 primitives of the search space (paper section 3, table 2) as plain functions.

Each function takes floating-point tensors of any dtype, computes in float32 (float64 for float64
input), and returns the dtype of its first input. Element-wise functions broadcast. Aggregations
return the moments of an index set with size 1 on reduced axes, which broadcasts to x. They take

  x: tensor of rank 3 or more, the batch first.
  index_set: "BWH" (per channel, over the batch), "WHC" (per example), "WH" (per example
    and channel) or "WHCQ" (per example and group of channels).
  axis: the channel axis.
  groups: number of channel groups for "WHCQ"; must divide the channels.
  epsilon: added inside the square root.

The paper inserts "a small epsilon as necessary". Here DIV replaces a divisor, and LOG an argument,
of a magnitude below EPSILON by EPSILON with the same sign, and SQRT is linear between -EPSILON
and EPSILON; elsewhere all three are exact.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from evonorm_tf.graph import ops
from evonorm_tf.numerics import logistic, quantization, registered, statistics

EPSILON = ops.EPSILON


def _in_statistics_dtype(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    @functools.wraps(function)
    def wrapper(x, *args, **kwargs):
        x = tf.convert_to_tensor(x)
        dtype = statistics.statistics_dtype(x.dtype)
        args = [tf.cast(arg, dtype) if tf.is_tensor(arg) else arg for arg in args]
        return tf.cast(function(tf.cast(x, dtype), *args, **kwargs), x.dtype)

    return wrapper


@_in_statistics_dtype
def add(x, y):
    """`x + y`."""
    return x + y


@_in_statistics_dtype
def mul(x, y):
    """`x * y`."""
    return x * y


@_in_statistics_dtype
def div(x, y):
    """`x / y`, where a |y| below EPSILON counts as EPSILON."""
    floor = tf.constant(EPSILON, y.dtype)
    if quantization.is_active():
        sign = tf.where(y < 0, -tf.ones([], y.dtype), tf.ones([], y.dtype))
        return quantization.over(x * sign, tf.maximum(tf.abs(y), floor))
    return x / tf.where(tf.abs(y) < floor, tf.where(y < 0, -floor, floor), y)


@_in_statistics_dtype
def maximum(x, y):
    """max(x, y)."""
    return tf.maximum(x, y)


@_in_statistics_dtype
def neg(x):
    """-x."""
    return -x


@_in_statistics_dtype
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return logistic.sigmoid(x)


@_in_statistics_dtype
def tanh(x):
    """The hyperbolic tangent of x."""
    return tf.tanh(x)


@_in_statistics_dtype
def exp(x):
    """The exponential e^x."""
    return tf.exp(x)


@_in_statistics_dtype
def log(x):
    """sign(x) * ln|x|, where an |x| below EPSILON counts as EPSILON; 0 at 0."""
    return tf.sign(x) * tf.math.log(tf.maximum(tf.abs(x), EPSILON))


@_in_statistics_dtype
def absolute(x):
    """|x|."""
    return tf.abs(x)


@_in_statistics_dtype
def square(x):
    """x^2."""
    return quantization.square(x)


@_in_statistics_dtype
def sqrt(x):
    """`x / max(|x|, EPSILON)**0.5`: the root of |x| with the sign of x, linear near 0."""
    return quantization.divider_by_root(tf.maximum(tf.abs(x), EPSILON))(x)


@_in_statistics_dtype
def mean(x, index_set, axis=-1, groups=32):
    """mu_I(x), the 1st order moment."""
    return statistics.moment("MEAN", x, index_set, axis, groups)


@_in_statistics_dtype
def rms(x, index_set, axis=-1, groups=32, epsilon=EPSILON):
    """sqrt(mu_I(x^2) + epsilon), the 2nd order moment."""
    return finish_moment("RMS", statistics.moment("RMS", x, index_set, axis, groups), epsilon)


@_in_statistics_dtype
def std(x, index_set, axis=-1, groups=32, epsilon=EPSILON):
    """sqrt(s^2_I(x) + epsilon), the centered 2nd order moment; s^2 is the biased variance."""
    return finish_moment("STD", statistics.moment("STD", x, index_set, axis, groups), epsilon)


ELEMENTWISE = {
    "ADD": add,
    "MUL": mul,
    "DIV": div,
    "MAX": maximum,
    "NEG": neg,
    "SIGMOID": sigmoid,
    "TANH": tanh,
    "EXP": exp,
    "LOG": log,
    "ABS": absolute,
    "SQUARE": square,
    "SQRT": sqrt,
}


def elementwise(op: str, *inputs: tf.Tensor) -> tf.Tensor:
    """The value of an element-wise primitive, of the paper or registered."""
    if op in ELEMENTWISE:
        return ELEMENTWISE[op](*inputs)
    return _in_statistics_dtype(functools.partial(registered.elementwise, op))(*inputs)


def finish_moment(op: str, moment: tf.Tensor, epsilon: float) -> tf.Tensor:
    """The value of an aggregation from its moment: sqrt(moment + epsilon) for RMS and STD."""
    return quantization.root(moment + epsilon) if op in ("RMS", "STD") else moment
