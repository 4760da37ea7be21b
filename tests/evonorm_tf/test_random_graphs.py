"""`GraphLayer` on random graphs: shapes, second-order gradients, and float64 NumPy's numbers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import evonorm_tf as en
from evonorm_tf import compat, ops, registry
from tests.evonorm_tf import graph_oracle, graph_strategies

CHANNELS, GROUPS = 4, 2
SHAPES = {3: (3, 5, CHANNELS), 4: (3, 4, 2, CHANNELS), 5: (2, 3, 2, 2, CHANNELS)}
RANKS = st.sampled_from(sorted(SHAPES))
KINDS = {"MEAN": "moving_mean", "RMS": "moving_second_moment", "STD": "moving_variance"}


def data(rank, seed=0):
    return np.random.default_rng(seed).normal(size=SHAPES[rank]) * 1.5 + 0.25


def built(graph, shape, dtype="float32", axis=-1):
    """A layer with random vectors and moments, and these as float64 arrays by name."""
    layer = en.GraphLayer(graph, groups=GROUPS, dtype=dtype, axis=axis)
    layer.build((None, *shape[1:]))
    rng, values = np.random.default_rng(7), {}
    for weight in layer.weights:
        name = weight.name.split("/")[-1].split(":")[0]
        value = rng.uniform(0.5, 2.0, CHANNELS).astype(np.float32)
        weight.assign(value)
        values[name] = value.astype(np.float64)
    return layer, values


def batch_nodes(graph):
    """Index and moving average's name of each (b, w, h) aggregation of a canonical graph."""
    found = [(i, n) for i, n in enumerate(graph.nodes, start=4) if n.index_set == "BWH"]
    for index, node in found:
        alike = [i for i, other in found if other.op == node.op]
        suffix = f"_{alike.index(index) + 1}" if len(alike) > 1 else ""
        yield index, KINDS[node.op] + suffix


def evaluated(graph, x, values, training, noise=0.0, seed=0):
    """The oracle after a run, and the layer's output by it."""
    moving = None if training else {i: values[name] for i, name in batch_nodes(graph)}
    oracle = graph_oracle.GraphOracle(1e-5, 1e-5, GROUPS, moving, noise, seed)
    vectors = (values.get(name, 1.0) * np.ones(CHANNELS) for name in ("v0", "v1"))
    return oracle, oracle.values(graph, x, *vectors)


def expected_output(graph, x, values, training, precision):
    """The output, and how far rounding to `precision` at each node may move it.

    Discards the example where values are not finite and moderate, or rounding decides.
    """
    nodes = evaluated(graph, x, values, training)[1]
    assume(all(np.isfinite(value).all() and np.abs(value).max() < 1e6 for value in nodes))
    moved = max(
        np.abs(evaluated(graph, x, values, training, precision, seed)[1][-1] - nodes[-1]).max()
        for seed in range(3)
    )
    output = nodes[-1] * values["gamma"] + values["beta"]
    scale = np.abs(output).max()
    tolerance = 100 * moved * 2.0 + 100 * precision * scale
    assume(tolerance < 1e-2 * scale)
    return output, tolerance


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


@given(graph_strategies.graphs(), RANKS)
def test_moving_averages_follow_the_batch_moments(graph, rank):
    x, graph = data(rank), graph.canonical()
    assume(graph.uses_batch)
    layer, values = built(graph, x.shape, "float64")
    expected_output(graph, x, values, True, precision=1e-15)
    oracle, _ = evaluated(graph, x, values, training=True)
    layer(tf.constant(x), training=True)
    moving = {w.name.split("/")[-1].split(":")[0]: w for w in layer.non_trainable_weights}
    names = dict(batch_nodes(graph))
    assert sorted(moving) == sorted(names.values())
    for index, name in names.items():
        expected = 0.9 * values[name] + 0.1 * oracle.batch_moments[index]
        actual = tf.convert_to_tensor(moving[name]).numpy()
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
