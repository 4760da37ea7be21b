"""Forward-mode derivatives and Hessian products against central differences."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.xla_cpu import programs
from tests.evonorm_tf.layer_cases import raw
from tests.evonorm_tf.test_finite_differences import (
    CHOSEN,
    NAMES,
    SHAPE,
    STEP,
    new_layer,
    randomized,
)
from tests.tiers import tiered

CASES = tiered(
    itertools.product(NAMES, [False, True]),
    everyday=[("evonorm_b0", False), ("evonorm_b0", True), ("graph STD BWH", False)],
    slow=list(itertools.product(CHOSEN, [False, True])),
)


def arrays(shape=SHAPE, dtype=np.float64):
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(0.3, 1.5, shape).astype(dtype)) for _ in range(3)]


def forward(function, x, direction):
    """The derivative of function(x) in a direction."""
    with tf.autodiff.ForwardAccumulator(x, direction) as accumulator:
        y = function(x)
    return accumulator.jvp(y)


def traced(graph):
    return tf.function(forward, autograph=False) if graph else forward


@pytest.mark.one_environment
@pytest.mark.parametrize(("name", "graph"), CASES)
def test_forward_mode_equals_differences(name, graph):
    layer = randomized(new_layer(name))
    x, upstream, direction = arrays()

    def output(x):
        return layer(x, training=True)

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(output(x) * upstream)
        return tape.gradient(value, x)

    for function in (output, gradient):
        found = traced(graph)(function, x, direction)
        ahead, behind = function(x + STEP * direction), function(x - STEP * direction)
        np.testing.assert_allclose(
            found, (ahead - behind) / (2 * STEP), rtol=1e-6, atol=1e-7, err_msg=function.__name__
        )


@pytest.mark.one_environment
@pytest.mark.parametrize("graph", [False, True])
def test_forward_mode_where_xla_would_compile(monkeypatch, graph):
    monkeypatch.setattr(programs, "_LEAST_ELEMENTS", 0)
    layer = en.get("evonorm_b0")
    randomized(layer)
    x, _, direction = arrays(dtype=np.float32)
    assert programs.use_xla_programs(x, -1, True)

    def output(x):
        return layer(x, training=True)

    exact = en.get("evonorm_b0", dtype="float64")
    randomized(exact)
    wide = tf.cast(x, tf.float64), tf.cast(direction, tf.float64)
    expected = forward(lambda x: exact(x, training=True), *wide)
    found = traced(graph)(output, x, direction)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_forward_mode_of_the_weights():
    layer = randomized(en.get("evonorm_b0", dtype="float64"))
    x, *_ = arrays()
    gamma, beta = np.asarray(layer.gamma), np.asarray(layer.beta)
    with tf.autodiff.ForwardAccumulator(raw(layer.gamma), tf.ones_like(gamma)) as accumulator:
        y = layer(x, training=True)
    np.testing.assert_allclose(accumulator.jvp(y), (y - beta) / gamma, rtol=1e-9)
