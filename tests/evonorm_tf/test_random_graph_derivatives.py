"""Derivatives of random graphs of first and second order against central differences."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.graph import ops
from tests.evonorm_tf.test_empty_batches import randomized
from tests.tiers import tiered

SHAPE = (3, 4, 2, 6)
STEP = 2.0**-16
CASES = tiered(range(5), slow=[0])


def graphs():
    """Random ones that depend on their input."""
    from search.evolution import space  # refuses Keras 3, where this file is read but not run

    for seed in itertools.count():
        graph = space.sample_graph(np.random.default_rng(seed))
        if ops.INPUT in graph.live():
            yield graph


def arrays():
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(0.3, 1.5, SHAPE)) for _ in range(4)]


def scalars(layer, x, upstream, other):
    """A weighted sum of the output, and one of its gradient."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(layer(x, training=True) * upstream)
    gradient = tape.gradient(value, x, unconnected_gradients="zero")
    return [value, tf.reduce_sum(gradient * other)]


def compared(graph):
    """Compares both derivatives of a graph where differences are exact; returns how many."""
    layer = randomized(en.GraphLayer(graph, groups=2, dtype="float64"), SHAPE[1:])
    x, upstream, other, direction = arrays()

    def along(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            found = scalars(layer, x, upstream, other)
        gradients = [tape.gradient(s, x, unconnected_gradients="zero") for s in found]
        return [tf.reduce_sum(gradient * direction) for gradient in gradients]

    def differences(step):
        ahead, behind = (scalars(layer, x + s * direction, upstream, other) for s in (step, -step))
        return [(a - b).numpy() / (2.0 * step) for a, b in zip(ahead, behind, strict=True)]

    eager, traced = along(x), tf.function(along, autograph=False)(x)
    compared_orders = 0
    for first, second, coarse, fine in zip(
        eager, traced, differences(STEP), differences(STEP / 2.0), strict=True
    ):
        # Next to a kink or a pole the differences do not agree among themselves.
        if np.isfinite(fine) and 0.0 < abs(coarse - fine) <= 1e-5 * abs(fine):
            np.testing.assert_allclose([first, second], fine, rtol=1e-4, err_msg=graph.to_json())
            compared_orders += 1
    return compared_orders


@pytest.mark.one_environment
@pytest.mark.parametrize("ten", CASES)
def test_derivatives_of_ten_graphs_equal_differences(ten):
    chosen = itertools.islice(graphs(), 10 * ten, 10 * ten + 10)
    assert sum(map(compared, chosen)) >= 10  # of 20
