"""The operations of AutoAugment and RandAugment on one uint8 image of shape (height, width, 3).

They have the names of Pillow's operations, and equal tf-models-official's in every pixel. What
comes from outside of the image is grey in the papers; tf-models-official, and with it these
operations, mirrors the image there. Each returns an image of the same shape.
Source: Cubuk et al., "AutoAugment", 2018, appendix.
"""

import math

import tensorflow as tf

GREY = 128


def auto_contrast(image: tf.Tensor) -> tf.Tensor:
    """255 (x - low) / (high - low) in each channel, which stays as it is where it is uniform."""
    low, high = (
        tf.cast(reduce(image, [0, 1], keepdims=True), tf.float32)
        for reduce in (tf.reduce_min, tf.reduce_max)
    )
    scale = 255.0 / tf.maximum(high - low, 1.0)
    return tf.where(high > low, _pixels(tf.cast(image, tf.float32) * scale - low * scale), image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Each channel by the table of its cumulative histogram, so that all values are as frequent.

    With `step` = (pixels - pixels of the highest value) // 255, value v becomes
    (pixels below v + step // 2) // step, at most 255. A channel whose step is 0 stays as it is.
    """
    values = tf.cast(tf.transpose(image, [2, 0, 1]), tf.int32)
    values = tf.reshape(values, [3, -1])
    counts = tf.math.bincount(values, minlength=256, maxlength=256, axis=-1)
    highest = tf.reduce_max(values, axis=1, keepdims=True)
    below = tf.cumsum(counts, axis=1, exclusive=True)
    step = tf.gather(below, highest, batch_dims=1) // 255
    table = tf.minimum((below + step // 2) // tf.maximum(step, 1), 255)
    values = tf.where(step == 0, values, tf.gather(table, values, batch_dims=1))
    return tf.reshape(tf.cast(tf.transpose(values), tf.uint8), tf.shape(image))


def invert(image: tf.Tensor) -> tf.Tensor:
    """255 - x."""
    return 255 - image


def posterize(image: tf.Tensor, bits: int) -> tf.Tensor:
    """Keeps the highest `bits` bits of x, and at least one."""
    shift = 8 - max(bits, 1)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, shift), shift)


def solarize(image: tf.Tensor, threshold: int) -> tf.Tensor:
    """255 - x where x >= threshold.

    Threshold 256 inverts the whole image, as it is 0 in uint8 to tf-models-official. Pillow leaves
    the image as it is.
    """
    return tf.where(image < threshold % 256, image, 255 - image)


def solarize_add(image: tf.Tensor, addition: int) -> tf.Tensor:
    """Adds `addition` to x where x < 128, up to 255."""
    added = tf.minimum(tf.cast(image, tf.int32) + addition, 255)
    return tf.where(image < 128, tf.cast(added, tf.uint8), image)


def color(image: tf.Tensor, factor: float) -> tf.Tensor:
    """`blend` of the grey image with the image."""
    return blend(tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image)), image, factor)


def contrast(image: tf.Tensor, factor: float) -> tf.Tensor:
    """The blend mean + factor (x - mean), with the mean of each channel."""
    return tf.image.adjust_contrast(image, factor)


def brightness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """`blend` of black with the image."""
    return blend(tf.zeros_like(image), image, factor)


def sharpness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """`blend` of the smoothed image with the image.

    Each pixel is smoothed with its eight neighbours, with weights 5/13 and 1/13; those at the
    border are not.
    """
    weights = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32) / 13
    kernel = tf.tile(weights[:, :, None, None], [1, 1, 3, 1])
    batch = tf.cast(image, tf.float32)[None]
    smooth = _pixels(tf.nn.depthwise_conv2d(batch, kernel, [1, 1, 1, 1], "SAME")[0])
    height, width = _size(image)
    inside = _rectangle(image, (1, height - 1), (1, width - 1))
    return blend(tf.where(inside, smooth, image), image, factor)


def blend(first: tf.Tensor, second: tf.Tensor, factor: float) -> tf.Tensor:
    """The pixels first + factor (second - first), clipped to 0 and 255 and rounded down."""
    first, second = tf.cast(first, tf.float32), tf.cast(second, tf.float32)
    return _pixels(first + factor * (second - first))


def rotate(image: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """Turns the image about its centre, counterclockwise where `degrees` is positive."""
    angle = degrees * (math.pi / 180)
    cos, sin = tf.cos(angle), tf.sin(angle)
    bottom, right = (tf.cast(side - 1, tf.float32) for side in _size(image))
    x = (right - (cos * right - sin * bottom)) / 2
    y = (bottom - (sin * right + cos * bottom)) / 2
    return _transform(image, [cos, -sin, x, sin, cos, y])


def shear_x(image: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """The pixel at (x + slope y, y) comes to (x, y)."""
    return _transform(image, [1.0, slope, 0.0, 0.0, 1.0, 0.0])


def shear_y(image: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """The pixel at (x, y + slope x) comes to (x, y)."""
    return _transform(image, [1.0, 0.0, 0.0, slope, 1.0, 0.0])


def translate_x(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """The pixel at (x + pixels, y) comes to (x, y)."""
    return _transform(image, [1.0, 0.0, pixels, 0.0, 1.0, 0.0])


def translate_y(image: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """The pixel at (x, y + pixels) comes to (x, y)."""
    return _transform(image, [1.0, 0.0, 0.0, 0.0, 1.0, pixels])


def cutout(image: tf.Tensor, half: int, row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
    """A grey square of side 2 `half` about a pixel; what of it is outside of the image is cut off.

    Args:
      image: uint8, (height, width, 3).
      half: half the side, in pixels.
      row: of the pixel, as a share of the height in [0, 1).
      column: of the pixel, as a share of the width in [0, 1).
    """
    places = zip((row, column), _size(image), strict=True)
    row, column = (tf.cast(share * tf.cast(side, tf.float32), tf.int32) for share, side in places)
    square = _rectangle(image, (row - half, row + half), (column - half, column + half))
    return tf.where(square, tf.constant(GREY, tf.uint8), image)


def _transform(image: tf.Tensor, matrix: list[float | tf.Tensor]) -> tf.Tensor:
    """The nearest pixel to each place's product with a matrix of 2 x 3, given by rows."""
    result = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.stack([*matrix, 0.0, 0.0])[None],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        fill_mode="REFLECT",
        interpolation="NEAREST",
    )[0]
    result.set_shape(image.shape)
    return result


def _rectangle(
    image: tf.Tensor, rows: tuple[tf.Tensor, tf.Tensor], columns: tuple[tf.Tensor, tf.Tensor]
) -> tf.Tensor:
    """Which pixels are from the first to before the last row and column: (height, width, 1)."""
    height, width = _size(image)
    row, column = tf.range(height)[:, None, None], tf.range(width)[None, :, None]
    in_rows = (row >= rows[0]) & (row < rows[1])
    return in_rows & (column >= columns[0]) & (column < columns[1])


def _size(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(image)
    return shape[0], shape[1]


def _pixels(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(values, 0.0, 255.0), tf.uint8)
