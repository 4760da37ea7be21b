"""The suite of all registered names, second part: rounding, and every floating-point type."""

import numpy as np
import pytest
import tensorflow as tf

from tests.evonorm_tf import oracle
from tests.evonorm_tf.layer_cases import (
    built,
    case,
    data,
    each_layer,
    feature_map,
    outputs_and_gradients,
    relative_error,
    weights_by_name,
)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
@each_layer
def test_large_mean_does_not_cancel_the_variance(name, jit_compile):
    # x is exact in float32: multiples of 1/1024 around 1e4.
    shape = (4, 32, 32, 8)
    x = np.round((np.random.default_rng(3).normal(size=shape) + 1e4) * 1024) / 1024
    layer, values = built(name, shape)
    expected = oracle.LAYERS[name](case(x, values, training=True))
    run = tf.function(lambda x: layer(x, training=True), jit_compile=jit_compile)
    assert relative_error(run(tf.constant(x, tf.float32)), expected) < 1e-5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@each_layer
def test_half_precision_input_and_policy(name, dtype):
    shape = (2, 4, 4, 8)
    policy = f"mixed_{dtype}"
    layer, values = built(name, shape, dtype=policy)
    assert all(tf.as_dtype(weight.dtype) == tf.float32 for weight in layer.weights)
    x = tf.cast(feature_map(name, shape), dtype)
    y, dx, *gradients = outputs_and_gradients(layer, x, data(shape, seed=2), True)
    assert y.dtype == dx.dtype == tf.as_dtype(dtype)
    assert all(gradient.dtype == tf.float32 for gradient in gradients)
    expected = oracle.LAYERS[name](case(tf.cast(x, tf.float64), values, training=True))
    # Computed in float32: only the output's own rounding is left.
    rounding = 2.0**-11 if dtype == "float16" else 2.0**-8
    np.testing.assert_allclose(tf.cast(y, tf.float64), expected, rtol=1.01 * rounding, atol=1e-5)


@each_layer
def test_large_float16_input_leaves_statistics_finite(name):
    # Squares of 300 and more overflow float16, and 60000 is next to its largest number.
    shape = (2, 4, 4, 8)
    magnitudes = np.geomspace(300, 60_000, 2 * 4 * 4 * 8).reshape(shape)
    signs = np.random.default_rng(5).choice([-1.0, 1.0], shape)
    x = tf.constant(magnitudes * signs, tf.float16)
    layer, values = built(name, shape, dtype="mixed_float16")
    expected = oracle.LAYERS[name](case(tf.cast(x, tf.float64), values, training=True))
    y = layer(x, training=True)
    for key, weight in weights_by_name(layer).items():
        assert np.all(np.isfinite(weight.numpy())), key
    np.testing.assert_allclose(tf.cast(y, tf.float64), expected, rtol=6e-4, atol=1e-4)


@each_layer
def test_float32_input_beyond_float16_under_a_float16_policy(name):
    layer, values = built(name, (2, 3, 3, 4), dtype="mixed_float16")
    x = feature_map(name, (2, 3, 3, 4), scale=70_000.0)
    expected = oracle.LAYERS[name](case(x, values, training=True))
    inside = np.abs(expected) < 6e4
    y = np.asarray(layer(x, training=True), np.float64)
    np.testing.assert_allclose(y[inside], expected[inside], rtol=6e-4, atol=1e-4)


@pytest.mark.parametrize("graph", [False, True])
@each_layer
def test_float64_input_is_computed_in_float64(name, graph):
    shape = (2, 3, 3, 6)
    layer, values = built(name, shape, dtype="float64")
    x = data(shape).astype(np.float64)

    def call(x):
        return layer(x, training=True)

    # Graphs do not give a constant another dtype, as eager operations do.
    y = (tf.function(call) if graph else call)(tf.constant(x))
    assert y.dtype == tf.float64
    assert relative_error(y, oracle.LAYERS[name](case(x, values, training=True))) < 1e-12
