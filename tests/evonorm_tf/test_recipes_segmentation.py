"""Segmentation and detection, in docs/recipes.md: two images a device."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.recipes import OF_THE_BATCH, difference, images

pytestmark = pytest.mark.one_environment

layers = tf.keras.layers


def encoder(name):
    tf.keras.utils.set_random_seed(3)
    make = en.norm_act_factory(name)
    x = inputs = tf.keras.Input((None, None, 3))
    maps = []
    for width in (16, 32):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = shortcut = make()(x)
        x = make()(layers.Conv2D(width, 3, padding="same", use_bias=False)(x))
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.Add()([shortcut, make(nonlinearity=False)(x)])
        x = layers.ReLU()(x)
        maps.append(x)
    return tf.keras.Model(inputs, maps)


def pairs(seed):
    return images(2, seed, (16, 24, 3))


def outputs_differ(name):
    """Between training and inference with two images, after a training of moving averages."""
    model = encoder(name)
    for seed in range(30):
        model(pairs(seed), training=True)
    x = pairs(100)
    return difference(model(x, training=True), model(x, training=False))


def test_two_images_a_device():
    # Training may run as compiled code, which rounds otherwise; six layers follow each other.
    assert outputs_differ("evonorm_s0") < 6 * 12 * 2.0**-24
    assert outputs_differ("bn_relu") > 0.1
    assert outputs_differ("evonorm_b0") > 0.1


@pytest.mark.parametrize("name", ["evonorm_s0", *OF_THE_BATCH])
def test_an_image_and_its_neighbour(name):
    model, x = encoder(name), pairs(0)
    other = np.stack([x[0], pairs(1)[1]])
    ours, theirs = ([y[:1] for y in model(each, training=True)] for each in (x, other))
    found = difference(ours, theirs)
    assert found == 0 if name == "evonorm_s0" else found > 0.05


def test_pooled_maps_need_larger_groups():
    """A group of one value has no variance: S0 then divides by sqrt(epsilon)."""
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 1, 1, 16)).astype("float32"))
    alone, grouped = en.EvoNormS0(), en.EvoNormS0(group_size=8)
    expected = x * tf.sigmoid(x) / np.sqrt(alone.epsilon)
    np.testing.assert_allclose(alone(x), expected, rtol=1e-5)
    assert alone.effective_groups == 16
    assert np.abs(grouped(x)).max() < 5 < 100 < np.abs(alone(x)).max()
