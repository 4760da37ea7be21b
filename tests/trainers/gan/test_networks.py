"""Generator and discriminator: counts, shapes, gradients, and the layer as the only change."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import trainers  # noqa: F401

# isort: split
from tests.tiers import tiered
from trainers.errors import TrainersError
from trainers.experiments.biggan import TABLE_6
from trainers.gan.discriminator import discriminator
from trainers.gan.generator import generator
from trainers.gan.parts import WIDTHS, SelfAttention

OTHERS = ("bn_relu", "gn_relu", "ln_relu", "pixelnorm_relu", "evonorm_s0", "frn")
SMALL = dict(num_classes=3, image_channels=1, width=8, attention=8)


def small_generator(layer="evonorm_s0", resolution=16):
    return generator(resolution, layer, **SMALL, noise_size=4, embedding_size=4)


def generator_count(widths, labels, condition, channels):
    """Parameters of a BN-ReLU generator, from the paper's description of its blocks."""
    total = labels * condition // 2 + (condition + 1) * 16 * widths[0]
    for before, after in itertools.pairwise(widths):
        for outputs in (before, after):
            inner = before // 4
            total += (before + 1) * inner + 2 * (9 * inner + 1) * inner + (inner + 1) * outputs
            total += 2 * condition * (before + 3 * inner)  # gamma and beta of four norms
    return total + 2 * widths[-1] + (9 * widths[-1] + 1) * channels


def discriminator_count(widths, labels, channels):
    """Parameters of a discriminator; widths from the image to 4x4."""
    total = (9 * channels + 1) * widths[0] + (labels + 1) * widths[-1] + 1
    for before, after in itertools.pairwise(widths):
        for inputs in (before, after):
            inner = after // 4
            total += (inputs + 1) * inner + 2 * (9 * inner + 1) * inner + (inner + 1) * after
        total += (before + 1) * (after - before)  # the shortcut's convolution
    return total


def attention_count(channels):
    return 2 * channels * channels // 8 + 2 * channels * channels // 2 + 1


def trained(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_small_networks_have_the_parameters_of_the_description():
    expected = generator_count([32, 16, 8], 3, 8, 1) + attention_count(16)
    assert trained(small_generator("bn_relu")) == expected
    expected = discriminator_count([8, 16, 32], 3, 1) + attention_count(16)
    assert trained(discriminator(16, **SMALL)) == expected


@pytest.mark.nightly
def test_the_networks_at_128_have_the_published_parameters():
    """Brock et al. 2019, appendix B: 50.4 M and 34.6 M.

    Their generator's last convolution has 128 outputs, of which three are used.
    """
    widths = [128 * times for times in WIDTHS[128]]
    expected = generator_count(widths, 1000, 256, 3) + attention_count(256)
    with tf.Graph().as_default():  # shapes are enough
        model, critic = generator(128, "bn_relu"), discriminator(128)
    assert trained(model) == expected == 50_244_484
    unused = (128 - 3) * (9 * 128 + 1)
    assert round((expected + unused) / 1e6, 1) == 50.4
    assert model.output_shape == (None, 128, 128, 3)
    expected = discriminator_count(widths[::-1], 1000, 3) + attention_count(256)
    assert trained(critic) == expected == 34_590_210
    assert round(expected / 1e6, 1) == 34.6


@pytest.mark.parametrize("resolution", tiered([8, 128], [8], []))
def test_every_resolution_has_its_networks(resolution):
    images = generator(
        resolution,
        "evonorm_s1",
        num_classes=3,
        width=4,
        noise_size=4,
        embedding_size=4,
        attention=resolution // 2,
    )([tf.zeros((2, 4)), tf.constant([0, 2])])
    assert images.shape == (2, resolution, resolution, 3)
    assert np.abs(images).max() <= 1.0
    network = discriminator(resolution, num_classes=3, width=4, attention=resolution // 2)
    assert network([images, tf.constant([0, 2])]).shape == (2,)
    assert any(isinstance(layer, SelfAttention) for layer in network.layers)


def test_an_unknown_resolution_is_an_error():
    with pytest.raises(TrainersError, match=r"`resolution` must be one of 8, 16, .*resolution=20"):
        generator(20, "bn_relu")


@pytest.mark.slow
def test_swapping_the_layer_changes_nothing_else():
    def others(model):
        return [(v.name, v.shape) for v in model.weights if "norm_act" not in v.name]

    def conditional(model):
        return [
            (v.name, v.shape)
            for v in model.trainable_weights
            if "norm_act" in v.name and "kernel" in v.name
        ]

    reference = small_generator("bn_relu", 8)
    assert len(others(reference)) > 20 and len(conditional(reference)) == 2 * 4 * 2
    for layer in (*TABLE_6, "gn_silu", "frn"):
        swapped = small_generator(layer, 8)
        assert others(swapped) == others(reference), layer
        assert conditional(swapped) == conditional(reference), layer


@pytest.mark.parametrize(
    "layer",
    tiered(["evonorm_b0", *OTHERS], slow=["evonorm_b0"]),
)
def test_the_gradient_reaches_every_variable(layer):
    model, critic = small_generator(layer), discriminator(16, **SMALL)
    for network in (model, critic):
        # From 0 nothing passes behind it.
        network.get_layer(f"{network.name}_attention").gamma.assign(0.5)
    labels = tf.constant([0, 1, 2, 0, 1, 2])
    with tf.GradientTape() as tape:
        images = model([tf.random.normal((6, 4)), labels], training=True)
        loss = tf.reduce_sum(critic([images, labels], training=True) ** 2)
    variables = model.trainable_variables + critic.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None, variable.name
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(values).all() and values.any(), variable.name


def test_noise_and_label_both_reach_the_image():
    model = small_generator(resolution=8)
    noise = tf.random.normal((2, 4))
    first = model([noise, tf.constant([0, 0])]).numpy()
    assert np.abs(first - model([noise, tf.constant([1, 1])]).numpy()).max() > 1e-3
    assert np.abs(first[0] - first[1]).max() > 1e-3


def test_self_attention_is_its_formula():
    layer = SelfAttention()
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype(np.float32)
    np.testing.assert_array_equal(layer(x), x)  # gamma is 0
    layer.gamma.assign(0.7)

    def kernel(conv):
        return conv.normalized_kernel(False).numpy()[0, 0].astype(np.float64)

    pixels = x.reshape(2, 16, 8).astype(np.float64)

    def pooled(conv):
        values = (x @ kernel(conv)).reshape(2, 2, 2, 2, 2, -1)
        return values.max(axis=(2, 4)).reshape(2, 4, -1)

    scores = np.einsum("bqc,bkc->bqk", pixels @ kernel(layer.query), pooled(layer.key))
    shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    found = np.einsum("bqk,bkc->bqc", shares, pooled(layer.value)) @ kernel(layer.output_conv)
    np.testing.assert_allclose(layer(x), x + 0.7 * found.reshape(x.shape), rtol=1e-4, atol=1e-5)
