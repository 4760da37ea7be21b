"""The networks compute what `tf.keras.applications` computes with the same weights."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tiers import tiered
from trainers.models import efficientnet, mobilenet_v2

applications = tf.keras.applications
SHAPE = (64, 64, 3)
STATISTICS = {
    "gamma": (0.8, 1.2),
    "beta": (-0.1, 0.1),
    "moving_mean": (-0.1, 0.1),
    "moving_variance": (0.8, 1.2),
}


def with_weights(model):
    """The layers that have weights, in the order of the network's calls."""
    kinds = (tf.keras.layers.InputLayer, tf.keras.layers.Normalization)
    return [layer for layer in model.layers if layer.weights and not isinstance(layer, kinds)]


def copy_weights(theirs, ours):
    rng = np.random.default_rng(0)
    for old, new in zip(with_weights(theirs), with_weights(ours), strict=True):
        if isinstance(old, tf.keras.layers.BatchNormalization):
            for name, bounds in STATISTICS.items():
                getattr(old, name).assign(rng.uniform(*bounds, old.gamma.shape[0]))
                getattr(new, name).assign(getattr(old, name))
        else:
            assert type(old) is type(new)
            new.set_weights(old.get_weights())


@pytest.mark.parametrize("size", tiered([64, 75], slow=[64]))
def test_mobilenet_v2(size):
    shape = (size, size, 3)
    theirs = applications.MobileNetV2(shape, weights=None, classifier_activation=None)
    ours = mobilenet_v2(norm_act="bn_relu", norm_act_args={"epsilon": 1e-3}, input_shape=shape)
    copy_weights(theirs, ours)
    images = np.random.default_rng(1).uniform(-1, 1, (3, *shape)).astype("float32")
    expected = theirs(images).numpy()
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(ours(images).numpy(), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_efficientnet_b0():
    theirs = applications.EfficientNetB0(
        weights=None, input_shape=SHAPE, classifier_activation=None
    )
    ours = efficientnet("b0", "bn_silu", norm_act_args={"epsilon": 1e-3}, input_shape=SHAPE)
    copy_weights(theirs, ours)
    images = np.random.default_rng(1).uniform(0, 255, (3, *SHAPE)).astype("float32")
    expected = theirs(images).numpy()
    # Keras scales the images to [0, 1] inside; its Normalization has mean 0, variance 1.
    actual = ours(images / 255).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())
