"""`GraphLayer` on random graphs: shapes, second-order gradients, and float64 NumPy's numbers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import evonorm_tf as en
from evonorm_tf import compat, registry
from evonorm_tf.graph import ops
from tests.evonorm_tf import graph_strategies
from tests.evonorm_tf.graph_cases import (
    CHANNELS,
    GROUPS,
    SHAPES,
    batch_nodes,
    built,
    data,
    evaluated,
    expected_output,
    weights_by_name,
)

RANKS = st.sampled_from(sorted(SHAPES))


@settings(max_examples=100)
@given(graph_strategies.graphs(), RANKS, st.booleans())
def test_layer_equals_float64_numpy(graph, rank, training):
    x, graph = data(rank), graph.canonical()
    layer, values = built(graph, x.shape, "float64")
    expected, tolerance = expected_output(graph, x, values, training, precision=1e-15)
    actual = layer(tf.constant(x), training=training).numpy()
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


@given(graph_strategies.graphs(), RANKS, st.booleans())
def test_float32_loses_no_more_than_its_digits(graph, rank, training):
    x, graph = data(rank).astype(np.float32), graph.canonical()
    layer, values = built(graph, x.shape)
    expected, tolerance = expected_output(graph, x, values, training, precision=1e-7)
    actual = layer(x, training=training).numpy()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


@given(graph_strategies.graphs(max_nodes=6), st.sampled_from(ops.AGGREGATIONS), RANKS)
def test_moving_averages_follow_the_batch_moments(graph, op, rank):
    last = en.Node(op, (graph.output,), "BWH")
    x, graph = data(rank), en.LayerGraph((*graph.nodes, last)).canonical()
    layer, values = built(graph, x.shape, "float64")
    expected_output(graph, x, values, True, precision=1e-15)
    oracle, _ = evaluated(graph, x, values, training=True)
    layer(tf.constant(x), training=True)
    weights, names = weights_by_name(layer), dict(batch_nodes(graph))
    assert {name for name in weights if name.startswith("moving")} == set(names.values())
    for index, name in names.items():
        expected = 0.9 * values[name] + 0.1 * oracle.batch_moments[index]
        actual = tf.convert_to_tensor(weights[name]).numpy()
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@given(graph_strategies.graphs(), RANKS, st.booleans())
def test_channels_first_equals_channels_last(graph, rank, training):
    x, graph = data(rank), graph.canonical()
    first_x = np.moveaxis(x, -1, 1)
    layer, values = built(graph, first_x.shape, "float64", axis=1)
    expected, tolerance = expected_output(graph, x, values, training, precision=1e-15)
    actual = layer(tf.constant(first_x), training=training).numpy()
    np.testing.assert_allclose(actual, np.moveaxis(expected, -1, 1), rtol=0, atol=tolerance)


@given(graph_strategies.graphs(), RANKS, st.booleans())
def test_any_graph_runs_in_a_functional_model_of_unknown_sizes(graph, rank, training):
    layer = en.GraphLayer(graph, groups=GROUPS)
    inputs = tf.keras.Input([None] * (rank - 2) + [CHANNELS])
    outputs = layer(inputs, training=training)
    assert tuple(outputs.shape) == tuple(inputs.shape)
    x = data(rank).astype(np.float32)
    assert tf.keras.Model(inputs, outputs)(x).shape == x.shape


def gradient_norm(layer, x, theta, training):
    """Squared norm of the loss's gradients, and the gradients (None where unconnected)."""
    with tf.GradientTape() as tape:
        tape.watch(theta)
        outputs = layer(x * theta[0], training=training)
        loss = tf.reduce_mean(tf.square(outputs)) + tf.reduce_mean(tf.sin(outputs))
    gradients = tape.gradient(loss, theta)
    known = [tf.cast(g, tf.float64) for g in gradients if g is not None]
    return tf.add_n([tf.reduce_sum(tf.square(g)) for g in known]), gradients


def raw(weight):
    """What a gradient tape takes for a weight: Keras 3 wraps TensorFlow's variables."""
    return weight.value if compat.IS_KERAS_3 else weight


@given(graph_strategies.graphs(), RANKS, st.booleans())
def test_second_order_gradients_exist(graph, rank, training):
    x, graph = data(rank), graph.canonical()
    layer, values = built(graph, x.shape, "float64")
    nodes = evaluated(graph, x, values, training)[1]
    assume(all(np.isfinite(value).all() and np.abs(value).max() < 1e6 for value in nodes))
    theta = [tf.ones(CHANNELS, tf.float64), raw(layer.gamma)]
    with tf.GradientTape() as tape:
        tape.watch(theta)
        norm, first = gradient_norm(layer, tf.constant(x), theta, training)
    second = tape.gradient(norm, theta)
    assert (first[0] is None) == (second[0] is None)
    if training:  # in inference, what depends on x through batch statistics alone is constant
        assert (first[0] is None) == (ops.INPUT not in graph.live())
    for gradient in filter(lambda g: g is not None, [*first, *second]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", [name for name in en.names() if registry.graph(name)])
def test_second_order_gradients_equal_central_differences(name, training):
    # Positive, so that no divisor v1*x + I comes near 0 and rounding stays small.
    x = tf.constant(np.abs(data(4)) + 0.1)
    layer, _ = built(registry.graph(name), x.shape, "float64")
    scale = tf.constant([1.0, 0.8, 1.2, 0.9], tf.float64)
    direction = tf.constant([0.5, -1.0, 0.3, 0.7], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(scale)
        norm, _ = gradient_norm(layer, x, [scale], training)
    analytic = tf.tensordot(tape.gradient(norm, scale), direction, 1)
    step = 1e-6
    ahead, behind = (
        gradient_norm(layer, x, [scale + sign * step * direction], training)[0] for sign in (1, -1)
    )
    numeric = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(analytic, numeric, rtol=1e-5, atol=1e-8)
