"""Moments of one axis set, against float64: how many digits each dtype keeps."""

import numpy as np
import pytest
import tensorflow as tf

from evonorm_tf.numerics import devices, statistics

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


# Eager sums of this size are made in blocks, as on accelerators.
@pytest.mark.parametrize("mean", [0.0, 8.0, -64.0, 256.0])
def test_one_pass_costs_a_bfloat16_less_than_its_rounding_did(mean):
    exact, x = rounded("bfloat16", mean)
    wanted = tf.cast(x, tf.float64).numpy().var(AXES, keepdims=True)
    by_rounding = root_mean_square(wanted - exact.var(AXES, keepdims=True))
    found = statistics.one_pass(tf.cast(x, tf.float32), list(AXES)).variance
    assert root_mean_square(found - wanted) < by_rounding / 4


@pytest.mark.parametrize("dtype, passes", [("bfloat16", 1), ("float16", 2), ("float32", 2)])
def test_bfloat16_takes_one_pass_on_accelerators(dtype, passes):
    _, x = rounded(dtype, 8.0)
    compute = {1: statistics.one_pass, 2: statistics.two_pass}[passes]
    with devices.for_accelerator("TPU"):
        found = statistics.moments(x, list(AXES))
    for part, wanted in zip(found, compute(tf.cast(x, tf.float32), list(AXES)), strict=True):
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_bfloat16_on_cpus_keeps_the_variance_of_large_maps(jit_compile):
    _, x = rounded("bfloat16", 256.0, side=112)
    wanted = tf.cast(x, tf.float64).numpy().var(AXES, keepdims=True)
    # A sum of n squares, added up in order, is off by a share of at most n 2^-24.
    np.testing.assert_allclose(variance(x, jit_compile), wanted, rtol=112**2 * 2.0**-24)


@pytest.mark.parametrize("dtype, mean", [("float16", 256.0), ("float32", 1e4), ("float64", 1e8)])
def test_other_dtypes_keep_the_variance_of_what_they_hold(dtype, mean):
    _, x = rounded(dtype, mean)
    wanted = tf.cast(x, tf.float64).numpy().var(AXES, keepdims=True)
    np.testing.assert_allclose(variance(x, False), wanted, rtol=1e-5)


def test_a_constant_bfloat16_has_no_negative_variance():
    x = tf.fill((1, 15, 15, 3), tf.constant(1.2345e3, tf.bfloat16))
    with devices.for_accelerator("TPU"):
        found = statistics.moments(x, list(AXES))
    np.testing.assert_allclose(found.mean, tf.cast(x, tf.float32)[:, :1, :1], rtol=1e-7)
    assert np.all(found.variance.numpy() >= 0.0)
    assert np.all(found.variance.numpy() <= 1.2345e3**2 * 2.0**-20)
