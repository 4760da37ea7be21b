"""Crops of single images, compared with tf-models-official's."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.official import needs_official
from trainers.data import crops

SIZES = [(32, 32), (31, 50), (64, 45)]


def image(size):
    return np.random.default_rng(0).integers(256, size=(*size, 3)).astype("uint8")


@pytest.fixture
def official():
    from official.vision.ops import preprocess_ops

    return preprocess_ops


def drawn(crop, *arguments):
    """Crops of five draws from the same seed."""
    tf.random.set_seed(3)
    return [crop(*arguments).numpy() for _ in range(5)]


def assert_same(actual, expected):
    for crop, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(crop, other)


@needs_official
@pytest.mark.parametrize("fraction", [0.875, 1.0, 0.5])
@pytest.mark.parametrize("size", SIZES)
def test_centers(official, size, fraction):
    expected = official.center_crop_image(tf.constant(image(size)), fraction)
    np.testing.assert_array_equal(crops.center(tf.constant(image(size)), fraction), expected)


@needs_official
@pytest.mark.parametrize("size", SIZES)
def test_random_crops(official, size):
    pixels = tf.constant(image(size))
    found = drawn(crops.random, pixels)
    assert len({crop.shape for crop in found}) > 1
    assert_same(found, drawn(official.random_crop_image, pixels))


@needs_official
@pytest.mark.parametrize("size", SIZES)
def test_random_crops_of_jpegs(official, size):
    encoded = tf.io.encode_jpeg(image(size), quality=95)
    shape = tf.constant([*size, 3])
    found = drawn(crops.random_of_jpeg, encoded)
    expected = drawn(official.random_crop_image_v2, encoded, shape)
    assert not any(crop.shape == (*size, 3) for crop in expected)  # else it is the centre
    assert_same(found, expected)


@needs_official
@pytest.mark.parametrize("size", SIZES)
def test_where_no_crop_is_drawn_the_centre_of_a_jpeg_is_taken(official, size, monkeypatch):
    encoded, shape = tf.io.encode_jpeg(image(size), quality=95), tf.constant([*size, 3])
    monkeypatch.setattr(crops, "_drawn", lambda shape: (tf.zeros(3, tf.int32), shape))
    expected = official.center_crop_image_v2(encoded, shape)
    np.testing.assert_array_equal(crops.random_of_jpeg(encoded), expected)


@pytest.mark.parametrize("size", SIZES)
def test_crops_are_parts_of_the_image(size):
    pixels = tf.constant(image(size))
    for crop in [*drawn(crops.random, pixels), crops.center(pixels).numpy()]:
        windows = np.lib.stride_tricks.sliding_window_view(image(size), crop.shape)
        assert (windows == crop).all((-3, -2, -1)).any()
