"""Masks: statistics count what they let through, as in Keras's own BatchNormalization."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.graph_cases import weights_by_name
from tests.evonorm_tf.layer_cases import raw
from tests.evonorm_tf.test_empty_batches import NAMES, new_layer, randomized
from tests.tiers import everywhere, tiered

LENGTHS, STEPS, CHANNELS = [5, 3, 0, 1], 5, 8
MASK = np.arange(STEPS) < np.array(LENGTHS)[:, None]
EVERYDAY = ["bn_relu", "evonorm_b0", "evonorm_s0"]
CASES = everywhere(
    tiered(NAMES, everyday=EVERYDAY, slow=["evonorm_b2", "gn_relu", "frn", "rs_rej", "graph"]),
    EVERYDAY,
)


def images(padding=None):
    x = np.random.default_rng(2).normal(1.0, 2.0, (4, STEPS, CHANNELS)).astype(np.float32)
    return x if padding is None else np.where(MASK[..., None], x, np.float32(padding))


def new(name):
    return randomized(new_layer(name), (STEPS, CHANNELS))


def outcome(layer, x, mask, training):
    """Where the mask is True: the output, its gradients; and all weights afterwards."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training, mask=mask)
        kept = y if mask is None else tf.boolean_mask(y, mask)
        loss = tf.reduce_sum(tf.square(kept))
    vectors = [raw(weight) for weight in layer.trainable_weights]
    gradients = tape.gradient(loss, [x, *vectors], unconnected_gradients="zero")
    of_x = gradients[0] if mask is None else tf.boolean_mask(gradients[0], mask)
    return [kept, of_x, *gradients[1:], *map(raw, layer.weights)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_padding_changes_nothing(name, training):
    """Neither its values, nor whether TensorFlow traces."""
    expected = outcome(new(name), images(0.0), MASK, training)
    layer = new(name)
    run = tf.function(lambda x: outcome(layer, x, tf.constant(MASK), training), autograph=False)
    found = run(tf.constant(images(30.0)))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_a_mask_of_true_is_none(name, training):
    every = np.ones_like(MASK)
    expected = outcome(new(name), images(), None, training)
    found = outcome(new(name), images(), every, training)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(tf.reshape(a, tf.shape(b)), b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["evonorm_s0", "gn_relu", "frn", "ln_relu"])
def test_each_sequence_is_normalized_as_if_it_were_alone(name):
    layer = new(name)
    x = images(7.0)
    found = layer(x, mask=MASK)
    for i, length in enumerate(LENGTHS):
        if length:
            alone = layer(x[i : i + 1, :length])
            np.testing.assert_allclose(found[i, :length], alone[0], rtol=1e-5, atol=1e-6)


def test_moving_averages_are_those_of_keras():
    own = en.get("bn_relu", nonlinearity=False, momentum=0.5)
    keras = tf.keras.layers.BatchNormalization(momentum=0.5, epsilon=own.epsilon)
    x = images(0.0)
    inputs = tf.keras.Input((STEPS, CHANNELS))
    masked = tf.keras.layers.Masking()(inputs)
    for layer in (own, keras):
        tf.keras.Model(inputs, layer(masked))(x, training=True)
    for name in ("moving_mean", "moving_variance"):
        found, expected = getattr(own, name), getattr(keras, name)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(own.moving_mean, 0.5 * x[MASK].mean(0), rtol=1e-5, atol=1e-6)


def test_a_batch_of_padding_moves_nothing():
    layer = new("bn_relu")
    before = {name: np.asarray(w).copy() for name, w in weights_by_name(layer).items()}
    y = layer(images(1.0), training=True, mask=np.zeros_like(MASK))
    assert np.isfinite(y).all()
    for name, weight in weights_by_name(layer).items():
        np.testing.assert_array_equal(weight, before[name])


@pytest.mark.parametrize(("axis", "shape"), [(-1, (4,)), (1, (4, STEPS)), (-1, (4, STEPS, 1))])
def test_a_mask_that_does_not_fit_is_an_error(axis, shape):
    layer = en.get("evonorm_s0", axis=axis)
    with pytest.raises(ValueError, match=r"`mask` must have the input's shape without its last"):
        layer(images(0.0), mask=np.ones(shape, bool))
