"""Moments of one axis set, against float64: how many digits each dtype keeps."""

import numpy as np
import pytest
import tensorflow as tf

from evonorm_tf import statistics

AXES = (1, 2)


def rounded(dtype, mean, side=32):
    """Numbers of standard deviation 1, and what `dtype` makes of them."""
    exact = np.random.default_rng(0).normal(mean, 1.0, (4, side, side, 64))
    return exact, tf.cast(tf.constant(exact), dtype)


def variance(x, jit_compile):
    run = tf.function(lambda x: statistics.moments(x, list(AXES)), jit_compile=jit_compile)
    return run(x).variance.numpy().astype("float64")


def root_mean_square(x):
    return np.sqrt(np.mean(np.square(x)))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("mean", [0.0, 8.0, -64.0, 256.0])
@pytest.mark.parametrize("side", [32, 112])
def test_one_pass_costs_a_bfloat16_less_than_its_rounding_did(side, mean, jit_compile):
    exact, x = rounded("bfloat16", mean, side)
    wanted = tf.cast(x, tf.float64).numpy().var(AXES, keepdims=True)
    by_rounding = root_mean_square(wanted - exact.var(AXES, keepdims=True))
    assert root_mean_square(variance(x, jit_compile) - wanted) < by_rounding / 4


@pytest.mark.parametrize("dtype, mean", [("float16", 256.0), ("float32", 1e4), ("float64", 1e8)])
def test_other_dtypes_keep_the_variance_of_what_they_hold(dtype, mean):
    _, x = rounded(dtype, mean)
    wanted = tf.cast(x, tf.float64).numpy().var(AXES, keepdims=True)
    np.testing.assert_allclose(variance(x, False), wanted, rtol=1e-5)


def test_a_constant_bfloat16_has_no_negative_variance():
    x = tf.fill((1, 15, 15, 3), tf.constant(1.2345e3, tf.bfloat16))
    found = statistics.moments(x, list(AXES))
    np.testing.assert_allclose(found.mean, tf.cast(x, tf.float32)[:, :1, :1], rtol=1e-7)
    assert np.all(found.variance.numpy() >= 0.0)
    assert np.all(found.variance.numpy() <= 1.2345e3**2 * 2.0**-20)
