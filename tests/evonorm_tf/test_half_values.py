"""Elementwise primitives on every value of bfloat16 and float16, against float64."""

import numpy as np
import pytest
import tensorflow as tf

from evonorm_tf.graph import ops
from evonorm_tf.numerics import primitives
from evonorm_tf.numerics.primitives import EPSILON

DTYPES = [tf.bfloat16, tf.float16]


def every_value(dtype):
    return tf.constant(np.arange(2**16, dtype=np.uint16).view(dtype.as_numpy_dtype))


def sign_of(x, value):
    return np.where(x == 0, 0.0, np.sign(x) * value)


EXACT = {
    "NEG": lambda x: -x,
    "SIGMOID": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "TANH": np.tanh,
    "EXP": np.exp,
    "LOG": lambda x: sign_of(x, np.log(np.maximum(np.abs(x), EPSILON))),
    "ABS": np.abs,
    "SQUARE": np.square,
    "SQRT": lambda x: x / np.sqrt(np.maximum(np.abs(x), EPSILON)),
    "ADD": lambda x, y: x + y,
    "MUL": lambda x, y: x * y,
    "DIV": lambda x, y: x / np.where(np.abs(y) < EPSILON, np.where(y < 0, -EPSILON, EPSILON), y),
    "MAX": np.maximum,
}


def test_every_elementwise_primitive_is_here():
    assert set(EXACT) == set(primitives.ELEMENTWISE)


@pytest.mark.one_environment
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("op", sorted(EXACT))
def test_every_value(op, dtype):
    inputs = [every_value(dtype)]
    if ops.Primitive(op).arity == 2:
        inputs.append(tf.random.experimental.stateless_shuffle(inputs[0], [1, 2]))
    wide = [tf.cast(x, tf.float64).numpy() for x in inputs]
    with np.errstate(all="ignore"):
        exact = EXACT[op](*wide)
    found = tf.cast(primitives.ELEMENTWISE[op](*inputs), tf.float64).numpy()
    expected = tf.cast(tf.cast(exact, dtype), tf.float64).numpy()
    # Where float32 rounds to the middle between two values, the farther one may be found.
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    near = np.abs(found - exact) <= (0.5 + 2.0**-10) * spacing(expected, dtype)
    wrong = ~(same | near)
    assert not wrong.any(), [(x[wrong][:3], found[wrong][:3], exact[wrong][:3]) for x in wide]


def spacing(x, dtype):
    """The distance of x from its neighbours in the dtype."""
    digits, least = (10, -24) if dtype == tf.float16 else (7, -133)
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log2(np.abs(x)))
    return 2.0 ** np.maximum(np.where(np.isfinite(exponent), exponent, -1000) - digits, least)
