"""Resizes images to squares, with TensorFlow."""

import numpy as np
import tensorflow as tf

from trainers.data.image_data import ImageData, Split

_BATCH = 500


def resized(images: tf.Tensor, size: int) -> tf.Tensor:
    """One image or a batch with the given side, of the same type: bilinear and antialiased."""
    pixels = tf.image.resize(images, (size, size), antialias=True)
    if images.dtype.is_integer:
        pixels = tf.clip_by_value(tf.round(pixels), images.dtype.min, images.dtype.max)
    return tf.cast(pixels, images.dtype)


def resized_data(data: ImageData, size: int) -> ImageData:
    """The same data set with images of another size."""
    return ImageData.from_splits(
        *(_resized_split(split, size) for split in (data.train, data.validation, data.test))
    )


def _resized_split(split: Split, size: int) -> Split:
    parts = [
        resized(tf.constant(split.images[first : first + _BATCH]), size).numpy()
        for first in range(0, len(split), _BATCH)
    ]
    return Split(np.concatenate(parts), split.labels)
