"""Baselines against other people's layers: Keras's, and tensorflow-addons' where installed."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat

SHAPES = [(4, 5, 3, 8), (4, 6, 8), (6, 1, 1, 8)]


def assign(layer, **values):
    for name, value in values.items():
        getattr(layer, name).assign(value)


def vectors(channels, seed=0):
    rng = np.random.default_rng(seed)
    gamma, beta, mean = rng.normal(size=(3, channels)).astype(np.float32)
    return {"gamma": gamma, "beta": beta}, {
        "moving_mean": mean,
        "moving_variance": rng.uniform(0.5, 2, channels).astype(np.float32),
    }


def draw(shape, seed=1):
    return (np.random.default_rng(seed).normal(size=shape) * 3 + 1).astype(np.float32)


def gradients(call, x, weights):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = call(x)
        loss = tf.reduce_sum(y * draw(y.shape, seed=2))
    return [y, *tape.gradient(loss, [x, *weights])]


@pytest.mark.parametrize("nonlinearity", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_relu_equals_keras(shape, training, nonlinearity):
    # Keras 2's fused kernel moves the unbiased variance; its plain one the biased.
    plain = {} if compat.IS_KERAS_3 else {"fused": False}
    keras = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **plain)
    ours = en.BatchNormReLU(nonlinearity=nonlinearity)
    affine, moving = vectors(shape[-1])
    for layer in (keras, ours):
        layer.build((None, *shape[1:]))
        assign(layer, **affine, **moving)

    def reference(x):
        z = keras(x, training=training)
        return tf.nn.relu(z) if nonlinearity else z

    x = tf.constant(draw(shape))
    expected = gradients(reference, x, keras.trainable_variables)
    actual = gradients(lambda x: ours(x, training=training), x, ours.trainable_variables)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(ours.moving_mean.numpy(), keras.moving_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(
        ours.moving_variance.numpy(), keras.moving_variance.numpy(), rtol=1e-5
    )


@pytest.mark.parametrize("nonlinearity", [True, False])
@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_group_norm_relu_equals_keras(shape, groups, nonlinearity):
    keras = tf.keras.layers.GroupNormalization(groups, epsilon=1e-5)
    ours = en.GroupNormReLU(groups=groups, nonlinearity=nonlinearity)
    for layer in (keras, ours):
        layer.build((None, *shape[1:]))
        assign(layer, **vectors(shape[-1])[0])

    def reference(x):
        n = keras(x)
        return tf.nn.relu(n) if nonlinearity else n

    x = tf.constant(draw(shape))
    expected = gradients(reference, x, keras.trainable_variables)
    actual = gradients(ours, x, ours.trainable_variables)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)


def test_layer_norm_relu_equals_keras_over_all_axes():
    shape = (3, 4, 2, 5)
    keras = tf.keras.layers.LayerNormalization(
        axis=[1, 2, 3], epsilon=1e-5, center=False, scale=False
    )
    ours = en.LayerNormReLU()
    ours.build(shape)
    affine, _ = vectors(5)
    assign(ours, **affine)
    x = draw(shape)
    expected = np.maximum(keras(x).numpy() * affine["gamma"] + affine["beta"], 0)
    np.testing.assert_allclose(ours(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("groups", [2, 8])
def test_group_norm_equals_tensorflow_addons(groups):
    addons = pytest.importorskip(
        "tensorflow_addons", reason="needs tensorflow-addons: make test-tf215"
    )
    theirs = addons.layers.GroupNormalization(groups, epsilon=1e-5)
    ours = en.GroupNormReLU(groups=groups, nonlinearity=False)
    shape = (4, 5, 3, 8)
    for layer in (theirs, ours):
        layer.build(tf.TensorShape(shape))
        assign(layer, **vectors(8)[0])
    np.testing.assert_allclose(ours(draw(shape)), theirs(draw(shape)), rtol=1e-5, atol=1e-5)


def test_filter_response_norm_equals_tensorflow_addons():
    addons = pytest.importorskip(
        "tensorflow_addons", reason="needs tensorflow-addons: make test-tf215"
    )
    norm = addons.layers.FilterResponseNormalization(epsilon=1e-5)
    threshold = addons.layers.TLU()
    ours = en.FilterResponseNorm()
    shape = (4, 5, 3, 8)
    for layer in (norm, threshold, ours):
        layer.build(tf.TensorShape(shape))
    affine, _ = vectors(8)
    tau = np.linspace(-0.5, 0.5, 8, dtype=np.float32)
    theirs = [norm.gamma, norm.beta, threshold.tau]
    for variable, value in zip(theirs, [affine["gamma"], affine["beta"], tau], strict=True):
        variable.assign(np.broadcast_to(value, variable.shape))
    assign(ours, **affine, v=tau)
    x = tf.constant(draw(shape))
    expected = gradients(lambda x: threshold(norm(x)), x, theirs)
    actual = gradients(ours, x, [ours.gamma, ours.beta, ours.v])
    # Theirs has vectors of shape (1, 1, 1, channels), and a threshold for each place.
    expected[2:] = [tf.reduce_sum(tf.reshape(value, (-1, 8)), 0) for value in expected[2:]]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5)
