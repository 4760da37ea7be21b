"""The logistic function, in half the instructions where XLA compiles for a CPU.

XLA's exponential takes its argument through guards for every special value; on CPUs the
instructions, not the memory, are what a sigmoid's loop waits for. `sigmoid` is TensorFlow's
everywhere but inside of `shortened`, and there equals it but for rounding.
"""

import contextlib
import threading

import tensorflow as tf

_state = threading.local()

_LOG2_E = 1.4426950408889634
# ln 2 in two parts: the first has so few digits that its product with an exponent is exact.
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
# exp on [-ln 2 / 2, ln 2 / 2] with a relative error of 2e-9: a Remez fit, then rounded.
_POLYNOMIAL = (
    1.0,
    1.0,
    0.49999991059303284,
    0.16666419804096222,
    0.04166822507977486,
    0.008374815806746483,
    0.0013836845755577087,
)
# Added to a whole number n of at most 127, it leaves n + 127 in the last bits.
_EXPONENT_TO_BITS = 1.5 * 2.0**23 + 127.0
# At its negative 1 + exp(-x) is still finite.
_LARGEST = 88.0


def sigmoid(x: tf.Tensor) -> tf.Tensor:
    """1 / (1 + exp(-x))."""
    return _short(x) if getattr(_state, "short", False) else tf.sigmoid(x)


@contextlib.contextmanager
def shortened():
    """Within it, for float32 alone, `sigmoid` is the one of fewer instructions."""
    _state.short = True
    try:
        yield
    finally:
        _state.short = False


@tf.custom_gradient
def _short(x: tf.Tensor):
    y = 1.0 / (1.0 + _exp_of_negative(x))
    return y, lambda upstream: upstream * y * (1.0 - y)


def _exp_of_negative(x: tf.Tensor) -> tf.Tensor:
    """exp(-x) as 2^n exp(r), |r| <= ln 2 / 2, with 2^n made of bits."""
    # Unlike tf.minimum, a comparison is one instruction, and lets NaN through as well.
    x = tf.where(x > _LARGEST, _LARGEST, x)
    x = tf.where(x < -_LARGEST, -_LARGEST, x)
    n = tf.round(x * -_LOG2_E)
    r = (-x - n * _LN2_HIGH) - n * _LN2_LOW
    exponent = tf.bitwise.left_shift(tf.bitcast(n + _EXPONENT_TO_BITS, tf.int32), 23)
    return _polynomial(r) * tf.bitcast(exponent, tf.float32)


def _polynomial(x: tf.Tensor) -> tf.Tensor:
    *lower, value = _POLYNOMIAL
    for coefficient in reversed(lower):
        value = value * x + coefficient
    return value
