"""One suite for every registered name: a new name without an oracle fails here."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import registry
from tests.evonorm_tf import oracle
from tests.evonorm_tf.layer_cases import (
    BATCH_STATISTICS,
    EVERYDAY,
    NAMES,
    built,
    case,
    data,
    each_layer,
    feature_map,
    outputs_and_gradients,
    raw,
    relative_error,
    weights_by_name,
)
from tests.tiers import everywhere, tiered

CHANNELS = (1, 3, 7, 16, 24, 48, 64)
EVERYDAY_CHANNELS = (1, 7, 24)


def test_every_name_has_an_oracle_and_no_oracle_is_stale():
    assert set(NAMES) == set(oracle.LAYERS) == set(oracle.LINEAR)


@pytest.mark.parametrize("channels", tiered(CHANNELS, EVERYDAY_CHANNELS))
@each_layer
def test_training_output_gradients_and_moving_statistics(name, channels):
    check_training(name, channels)


def check_training(name, channels):
    """Output, gradients and moving statistics against float64."""
    shape = (3, 2, 3, channels) if channels < 16 else (2, 2, 2, channels)
    layer, values = built(name, shape)
    x, upstream = feature_map(name, shape), data(shape, seed=2)
    expected = case(x, values, training=True)
    output = oracle.LAYERS[name](expected)
    gradients = oracle.gradients(
        oracle.LAYERS[name], x.astype(np.float64), expected.vectors, upstream.astype(np.float64)
    )

    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(inputs, training=True)
        loss = tf.reduce_sum(y * upstream)
    trainable = {key: weights_by_name(layer)[key] for key in expected.vectors}
    actual = tape.gradient(
        loss, {"x": inputs, **{key: raw(weight) for key, weight in trainable.items()}}
    )

    assert relative_error(y, output) < 1e-5
    assert set(actual) == set(gradients)
    for key, gradient in gradients.items():
        # One channel normalized by itself cancels all but 1 - x^2 / (x^2 + epsilon) of terms
        # of size 1, and keeps their rounding.
        cancelled = 0.1 if (name, channels) == ("pixelnorm_relu", 1) else 1e-30
        assert relative_error(actual[key], gradient, scale=cancelled) < 1e-5, key
    after = weights_by_name(layer)
    assert {key for key in after if key in BATCH_STATISTICS} == set(expected.used)
    for key, batch_value in expected.used.items():
        moved = 0.9 * values[key] + 0.1 * batch_value
        assert relative_error(after[key].numpy(), moved) < 1e-5, key


@pytest.mark.parametrize("channels", tiered(CHANNELS, EVERYDAY_CHANNELS))
@each_layer
def test_inference_output(name, channels):
    shape = (2, 3, 2, channels)
    layer, values = built(name, shape)
    x = feature_map(name, shape)
    before = [weight.numpy() for weight in layer.weights]
    expected = oracle.LAYERS[name](case(x, values, training=False))
    assert relative_error(layer(x), expected) < 1e-5
    assert relative_error(layer(x, training=False), expected) < 1e-5
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


@each_layer
def test_inference_does_not_see_the_batch(name):
    layer, _ = built(name, (4, 3, 3, 6))
    x = feature_map(name, (4, 3, 3, 6))
    alone = np.concatenate([layer(x[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(layer(x), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@each_layer
def test_linear_form(name, training):
    shape = (2, 3, 3, 8)
    layer, values = built(name, shape, nonlinearity=False)
    assert "v" not in values and "v0" not in values and "v1" not in values
    x = feature_map(name, shape)
    expected = oracle.LINEAR[name](case(x, values, training))
    assert relative_error(layer(x, training=training), expected) < 1e-5


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "name",
    everywhere(
        [n for n in NAMES if registry.layer_class(n) and registry.graph(n)],
        ["evonorm_b0", "evonorm_s0"],
    ),
)
def test_fused_layer_equals_its_graph(name, training):
    shape = (3, 4, 2, 24)
    fused, values = built(name, shape)
    graph = en.GraphLayer(registry.graph(name))
    graph.build(shape)
    renamed = {"v1": "v"}
    for key, weight in weights_by_name(graph).items():
        weight.assign(values[renamed.get(key, key)])
    x, upstream = tf.constant(feature_map(name, shape)), data(shape, seed=2)
    results = [outputs_and_gradients(layer, x, upstream, training) for layer in (fused, graph)]
    for one, other in zip(*results, strict=True):
        assert relative_error(one, other) < 2e-6
    statistics = [
        {k: w.numpy() for k, w in weights_by_name(layer).items() if k in BATCH_STATISTICS}
        for layer in (fused, graph)
    ]
    assert statistics[0].keys() == statistics[1].keys()
    for key, value in statistics[0].items():
        np.testing.assert_allclose(value, statistics[1][key], rtol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", everywhere(tiered(NAMES, EVERYDAY), EVERYDAY))
def test_eager_function_and_xla_agree(name, training):
    shape = (2, 3, 3, 12)
    layer, _ = built(name, shape)
    start = [weight.numpy() for weight in layer.weights]
    x, upstream = tf.constant(feature_map(name, shape)), data(shape, seed=2)

    def step(x):
        return outputs_and_gradients(layer, x, upstream, training)

    results = []
    for run in (step, tf.function(step), tf.function(step, jit_compile=True)):
        for weight, value in zip(layer.weights, start, strict=True):
            weight.assign(value)
        results.append([*run(x), *(weight.numpy() for weight in layer.weights)])
    for other in results[1:]:
        for expected, actual in zip(results[0], other, strict=True):
            assert relative_error(actual, expected) < 5e-6


@each_layer
def test_channels_first_equals_channels_last(name):
    shape = (2, 3, 4, 6)
    last, values = built(name, shape)
    first, _ = built(name, (2, 6, 3, 4), axis=1)
    x, upstream = feature_map(name, shape), data(shape, seed=2)
    assert weights_by_name(first).keys() == values.keys()
    expected = outputs_and_gradients(last, tf.constant(x), upstream, True)
    moved = outputs_and_gradients(
        first, tf.constant(x.transpose(0, 3, 1, 2)), upstream.transpose(0, 3, 1, 2), True
    )
    moved[:2] = [np.transpose(value, (0, 2, 3, 1)) for value in moved[:2]]
    for one, other in zip(expected, moved, strict=True):
        assert relative_error(other, one) < 2e-6


@pytest.mark.parametrize("folded", [(2, 12, 6), (2, 2, 3, 2, 6)])
@each_layer
def test_rank_three_and_five_equal_rank_four(name, folded):
    flat, _ = built(name, (2, 4, 3, 6))
    other, _ = built(name, folded)
    x = feature_map(name, (2, 4, 3, 6))
    expected = flat(x, training=True).numpy().reshape(folded)
    assert relative_error(other(x.reshape(folded), training=True), expected) < 2e-6


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "shape",
    [(1, 3, 3, 8), (4, 1, 1, 8), (1, 1, 1, 8), (1, 1, 1, 1)],
    ids=["one example", "1x1 maps", "one element a channel", "one element"],
)
@each_layer
def test_small_inputs(name, shape, training):
    layer, values = built(name, shape)
    x, upstream = feature_map(name, shape), data(shape, seed=2)
    expected = oracle.LAYERS[name](case(x, values, training))
    y, *gradients = outputs_and_gradients(layer, tf.constant(x), upstream, training)
    # Deviations that are exactly zero leave sqrt(epsilon): small in the output as in x.
    assert relative_error(y, expected) < 1e-5
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


@each_layer
def test_constant_channel(name):
    shape = (2, 3, 3, 4)
    layer, values = built(name, shape)
    x = feature_map(name, shape)
    x[..., 1] = 1.25
    x[..., 2] = 0.0
    expected = oracle.LAYERS[name](case(x, values, training=True))
    y, *gradients = outputs_and_gradients(layer, tf.constant(x), data(shape, seed=2), True)
    assert relative_error(y, expected) < 1e-5
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


@each_layer
def test_second_order_gradients(name):
    """A Hessian-vector product equals the central difference of float64 gradients."""
    shape = (2, 3, 2, 4)
    layer, _ = built(name, shape, dtype="float64")
    x, upstream = (
        feature_map(name, shape).astype(np.float64),
        data(shape, seed=2).astype(np.float64),
    )
    direction = np.random.default_rng(7).normal(size=shape)

    def gradient(at):
        with tf.GradientTape() as tape:
            tape.watch(at)
            loss = tf.reduce_sum(tf.square(layer(at, training=True)) * upstream)
        return tape.gradient(loss, at)

    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        along = tf.reduce_sum(gradient(inputs) * direction)
    product = tape.gradient(along, inputs)
    step = 1e-6
    plus, minus = (gradient(tf.constant(x + sign * step * direction)) for sign in (1, -1))
    assert relative_error(product, (plus - minus) / (2 * step)) < 1e-5


@each_layer
def test_gradient_reaches_every_trainable_weight(name):
    shape = (3, 4, 4, 8)
    layer, _ = built(name, shape)
    _, _, *gradients = outputs_and_gradients(layer, tf.constant(data(shape)), data(shape, 2), True)
    assert len(gradients) == len(layer.trainable_weights) >= 2
    assert all(np.any(gradient) for gradient in gradients)


@each_layer
def test_unknown_batch_and_spatial_sizes(name):
    layer, values = built(name, (None, None, None, 6))
    inputs = tf.keras.Input((None, None, 6))
    model = tf.keras.Model(inputs, layer(inputs))
    assert tuple(model.output.shape) == (None, None, None, 6)
    for shape in ((2, 3, 4, 6), (5, 1, 2, 6)):
        x = feature_map(name, shape)
        expected = oracle.LAYERS[name](case(x, values, training=False))
        assert relative_error(model(x), expected) < 1e-5


@each_layer
def test_training_as_a_tensor(name):
    shape = (2, 3, 3, 4)
    x = feature_map(name, shape)
    layer, values = built(name, shape)
    run = tf.function(lambda training: layer(x, training=training))
    for training in (False, True):
        expected = oracle.LAYERS[name](case(x, values, training))
        assert relative_error(run(tf.constant(training)), expected) < 1e-5


@each_layer
def test_frozen_layer_runs_in_inference(name):
    shape = (2, 3, 3, 4)
    layer, values = built(name, shape)
    layer.trainable = False
    x = feature_map(name, shape)
    expected = oracle.LAYERS[name](case(x, values, training=False))
    assert relative_error(layer(x, training=True), expected) < 1e-5
