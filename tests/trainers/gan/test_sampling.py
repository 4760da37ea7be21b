"""Noise, truncation, standing statistics, grids, averaged weights."""

import numpy as np
import pytest
import tensorflow as tf

import trainers  # noqa: F401

# isort: split
import evonorm_tf as en
from trainers.gan import sampling
from trainers.gan.generator import generator


def small_generator(layer):
    tf.keras.utils.set_random_seed(1)
    sizes = {"noise_size": 4, "embedding_size": 4, "attention": 0}
    return generator(8, layer, num_classes=3, image_channels=1, width=4, **sizes)


def sampler(model, truncation=0.0):
    return sampling.Sampler(
        model, num_classes=3, noise_size=4, batch_size=8, truncation=truncation, seed=5
    )


def test_noise_is_a_function_of_its_seed():
    first = sampling.noise((2000, 3), [1, 2])
    np.testing.assert_array_equal(first, sampling.noise((2000, 3), [1, 2]))
    assert not np.allclose(first, sampling.noise((2000, 3), [1, 3]))
    assert np.std(first) == pytest.approx(1.0, abs=0.03)


def test_truncated_noise_is_normal_within_the_bound():
    drawn = sampling.noise((20000,), [0, 0], truncation=0.8).numpy().astype(np.float64)
    assert np.abs(drawn).max() <= 0.8
    # Variance of a normal that is cut off at t: 1 - 2 t phi(t) / P(|x| < t).
    from scipy.stats import norm

    expected = 1 - 2 * 0.8 * norm.pdf(0.8) / (norm.cdf(0.8) - norm.cdf(-0.8))
    assert drawn.var() == pytest.approx(expected, rel=0.03)
    assert drawn.mean() == pytest.approx(0.0, abs=0.01)


@pytest.mark.slow
def test_samples_are_the_generators_and_have_labels_in_turn():
    model = small_generator("evonorm_s0")
    draw = sampler(model)
    images, labels = draw.images(13), draw.labels(13)
    assert images.shape == (13, 8, 8, 1)
    np.testing.assert_array_equal(labels[:5], [0, 1, 2, 0, 1])
    seeds = [sampling.noise((8, 4), [5, batch]) for batch in (0, 1)]
    expected = model([tf.concat(seeds, 0)[:13], labels])
    np.testing.assert_allclose(images, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(images, sampler(model).images(13))


@pytest.mark.parametrize(
    "layer",
    ["bn_relu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("evonorm_b0", "rs_rej"))],
)
def test_standing_statistics_are_the_means_over_batches(layer):
    model, batches = small_generator(layer), 3
    first = model.layers[[hasattr(layer, "norm") for layer in model.layers].index(True)].norm
    moving = first.non_trainable_weights
    before = tf.keras.Model(model.inputs, model.get_layer("first_map").output)
    seen = [
        before([sampling.noise((8, 4), [5, -1 - n], 0.5), tf.range((-1 - n) * 8, -n * 8) % 3])
        .numpy()
        .astype(np.float64)
        for n in range(batches)
    ]
    statistics = {
        "moving_mean": lambda x: x.mean((0, 1, 2)),
        "moving_variance": lambda x: x.var((0, 1, 2)),
        "moving_second_moment": lambda x: (x**2).mean((0, 1, 2)),
    }
    sampler(model, 0.5).set_standing_statistics(batches)
    assert moving
    for weight in moving:
        name = weight.name.split("/")[-1].split(":")[0]
        expected = np.mean([statistics[name](x) for x in seen], 0)
        np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-5)
    assert first.momentum == en.get(layer).momentum


def test_layers_without_batch_statistics_are_left_as_they_are():
    model = small_generator("evonorm_s0")
    before = model.get_weights()
    sampler(model).set_standing_statistics(2)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_grid_has_its_images_row_by_row():
    images = np.linspace(-1, 1, 5, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 3, 1))
    found = sampling.grid(images, columns=3)
    assert found.shape == (2 * 2 + 1, 3 * 3 + 2, 1) and found.dtype == np.uint8
    np.testing.assert_array_equal(found[::3, ::4, 0], [[0, 64, 128], [191, 255, 128]])
    np.testing.assert_array_equal(found[2], 128)
    np.testing.assert_array_equal(found[:, [3, 7]], 128)


def test_pixels_are_rounded_to_bytes():
    values = tf.constant([-1.0, -0.9999, 0.0, 0.999, 1.0, 1.5])
    np.testing.assert_array_equal(sampling.to_uint8(values), [0, 0, 128, 255, 255, 255])
