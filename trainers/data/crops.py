"""Crops of one image, as tf-models-official and the authors of the networks make them."""

import tensorflow as tf

_AREA, _ASPECT_RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
_CENTER_FRACTION = 0.875


def center(image: tf.Tensor, fraction: float = _CENTER_FRACTION) -> tf.Tensor:
    """A square of `fraction` of the shorter side from the centre of an image."""
    row, column, side = _center(tf.shape(image)[:2], fraction)
    return image[row : row + side, column : column + side]


def random(image: tf.Tensor) -> tf.Tensor:
    """A crop of 8 to 100 % of the area, with an aspect ratio of 3/4 to 4/3.

    The whole image where no such crop was drawn in ten attempts.
    """
    begin, size = _drawn(tf.shape(image))
    return tf.slice(image, begin, size)


def random_of_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """A crop as `random` makes it of a JPEG, of which no more is decoded.

    The centre of the image where no such crop was drawn.
    """
    shape = tf.image.extract_jpeg_shape(encoded)
    begin, size = _drawn(shape)
    cropped = _decoded(encoded, begin[0], begin[1], size[0], size[1])
    return tf.cond(
        tf.reduce_all(tf.equal(tf.shape(cropped), shape)),
        lambda: _center_of_jpeg(encoded, shape),
        lambda: cropped,
    )


def _center_of_jpeg(encoded: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    row, column, side = _center(shape[:2], _CENTER_FRACTION)
    return _decoded(encoded, row, column, side, side)


def _center(size: tf.Tensor, fraction: float) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """First row, first column and side."""
    size = tf.cast(size, tf.float32)
    side = fraction * tf.reduce_min(size)
    first = tf.cast((size - side) / 2.0, tf.int32)
    return first[0], first[1], tf.cast(side, tf.int32)


def _drawn(shape: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """First pixel and size of a random crop."""
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        shape,
        tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=1,
        min_object_covered=_AREA[0],
        aspect_ratio_range=_ASPECT_RATIO,
        area_range=_AREA,
        max_attempts=10,
    )
    return begin, size


def _decoded(encoded: tf.Tensor, *window: tf.Tensor) -> tf.Tensor:
    return tf.image.decode_and_crop_jpeg(encoded, tf.stack(window), channels=3)
