"""The logistic function of few instructions, against float64."""

import numpy as np
import pytest
import tensorflow as tf

from evonorm_tf.numerics import logistic
from evonorm_tf.xla_cpu.sigmoid import sigmoid

pytestmark = pytest.mark.one_environment


def in_program(function, *tensors):
    with logistic.replaced_by(sigmoid):
        return tf.function(function, jit_compile=True, autograph=False)(*tensors)


def exact(x):
    return 1.0 / (1.0 + np.exp(-x.astype("float64")))


def both_signs(largest):
    small = np.geomspace(1e-30, 1e-3, 1000, dtype="float32")
    x = np.concatenate([small, np.linspace(1e-3, largest, 1_000_000, dtype="float32")])
    return np.concatenate([-x, [0.0], x]).astype("float32")


def test_relative_error_is_that_of_rounding():
    # Below -87.3 the result is no normal number any more.
    x = both_signs(87.0)
    found = in_program(logistic.sigmoid, tf.constant(x)).numpy()
    # Three units in the last place; TensorFlow's own has two.
    assert np.abs(found / exact(x) - 1.0).max() < 3 * 2.0**-23


def test_next_to_where_the_exponent_changes():
    steps = (np.arange(-126, 126) + 0.5) * np.log(2.0)
    x = np.concatenate([np.nextafter(np.float32(steps), np.float32(to)) for to in (-1e9, 1e9)])
    x = np.concatenate([x, np.float32(steps)])
    x = x[np.abs(x) < 87.0]
    found = in_program(logistic.sigmoid, tf.constant(x)).numpy()
    assert np.abs(found / exact(x) - 1.0).max() < 3 * 2.0**-23


def test_limits():
    x = [-np.inf, -3e38, -1e10, -1e3, -89.0, 89.0, 1e3, 1e10, 3e38, np.inf]
    found = in_program(logistic.sigmoid, tf.constant(x, tf.float32)).numpy()
    np.testing.assert_allclose(found, [0.0] * 5 + [1.0] * 5, atol=1e-38)


def test_nan_stays():
    assert np.isnan(in_program(logistic.sigmoid, tf.constant([np.nan])).numpy()).all()


def test_gradient():
    x = tf.constant(both_signs(87.0))
    upstream = tf.random.stateless_normal(x.shape, [1, 2])

    def gradient(x, upstream):
        return tf.gradients(logistic.sigmoid(x), [x], upstream)[0]

    found = in_program(gradient, x, upstream).numpy()
    y = exact(x.numpy())
    expected = upstream.numpy() * y * exact(-x.numpy())
    # 1 - y loses digits as y nears 1, as in TensorFlow's own.
    allowed = 1e-6 * np.abs(expected) + 2.0**-23 * np.abs(upstream.numpy())
    assert (np.abs(found - expected) <= allowed).all()


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_elsewhere_it_is_tensorflows(dtype):
    x = tf.cast(tf.linspace(-9.0, 9.0, 100), dtype)
    np.testing.assert_array_equal(logistic.sigmoid(x), tf.sigmoid(x))


def test_the_state_ends_with_an_error():
    with pytest.raises(RuntimeError), logistic.replaced_by(sigmoid):
        raise RuntimeError
    x = tf.linspace(-9.0, 9.0, 100)
    np.testing.assert_array_equal(logistic.sigmoid(x), tf.sigmoid(x))
