"""Crops, flips and augmentation policies."""

import tensorflow as tf

from trainers.data import crops, policies
from trainers.data.config import DataConfig
from trainers.data.policies import Policy
from trainers.errors import TrainersError

CROPS = ("none", "random", "inception")
POLICIES = ("", "randaugment", "autoaugment")
# Authors' RandAugment, in pixels: at most 40 for half the side of a cut-out, and a shift of 100.
_CUTOUT, _TRANSLATE = 40, 100


def check(config: DataConfig, where: str) -> None:
    """Raises TrainersError for unknown settings and those that exclude each other."""
    choices = {"crop": CROPS, "augment": POLICIES}
    for name, allowed in choices.items():
        value = getattr(config, name)
        if value not in allowed:
            raise TrainersError(
                f"`{where}.{name}` must be one of {allowed}. Received: {name}={value!r}"
            )
    if (config.crop == "random") != (config.crop_size > 0):
        raise TrainersError(
            f"`{where}.crop_size` is the side of crop 'random', and of no other. "
            f"Received: crop={config.crop!r}, crop_size={config.crop_size}"
        )
    if config.in_memory and (config.augment or config.crop == "inception"):
        raise TrainersError(
            f"`{where}.in_memory` goes with crops 'none' and 'random' and no augmentation. "
            f"Received: crop={config.crop!r}, augment={config.augment!r}"
        )


def crop_and_flip(images: tf.Tensor, config: DataConfig, draws: tf.Tensor) -> tf.Tensor:
    """Random crops of `crop_size`, and random mirroring, of a batch.

    Args:
      images: (batch, height, width, channels).
      config: crop, crop_size and flip are read.
      draws: (batch, 3) in [0, 1): row, column, mirroring.
    """
    if config.crop == "random":
        for axis in (1, 2):
            free = images.shape[axis] - config.crop_size + 1
            first = tf.cast(draws[:, axis - 1] * free, tf.int32)
            places = first[:, None] + tf.range(config.crop_size)
            images = tf.gather(images, places, axis=axis, batch_dims=1)
    if config.flip:
        mirror = draws[:, 2, None, None, None] < 0.5
        images = tf.where(mirror, tf.reverse(images, [2]), images)
    return images


def policy_of(config: DataConfig) -> Policy | None:
    """The configured policy as a function of a uint8 image; None if there is no policy."""
    if config.augment == "randaugment":
        return policies.rand_augment(
            config.augment_layers, config.augment_magnitude, _CUTOUT, _TRANSLATE
        )
    if config.augment == "autoaugment":
        return policies.auto_augment()
    return None


def training_image(
    encoded: tf.Tensor,
    config: DataConfig,
    size: list[int],
    policy: Policy | None,
) -> tf.Tensor:
    """Crops, resizes, mirrors and augments one image; float32 pixels from 0 to 255.

    Args:
      encoded: JPEG bytes, of which only the crop is decoded, or uint8 pixels.
      config: the split's configuration.
      size: height, width and channels of the result.
      policy: a function that `policy_of` returned.
    """
    if config.crop == "inception":
        is_jpeg = encoded.dtype == tf.string
        image = crops.random_of_jpeg(encoded) if is_jpeg else crops.random(encoded)
        image = _resized(image, size)
    else:
        image = _pixels(encoded, size)
        if config.crop == "random":
            image = tf.image.random_crop(image, [config.crop_size, config.crop_size, size[2]])
    if config.flip:
        image = tf.image.random_flip_left_right(image)
    if policy is not None:
        image = policy(tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8))
    return tf.cast(image, tf.float32)


def evaluation_image(encoded: tf.Tensor, config: DataConfig, size: list[int]) -> tf.Tensor:
    """The centre crop, resized; or the whole image. float32 pixels from 0 to 255."""
    if config.crop == "inception":
        return centre_crop(_pixels(encoded, size), size, config.center_fraction)
    return tf.cast(_pixels(encoded, size), tf.float32)


def centre_crop(image: tf.Tensor, size: list[int], fraction: float) -> tf.Tensor:
    """A square of `fraction` of the shorter side, resized to `size`."""
    return _resized(crops.center(image, fraction), size)


def _pixels(encoded: tf.Tensor, size: list[int]) -> tf.Tensor:
    if encoded.dtype == tf.string:
        encoded = tf.io.decode_jpeg(encoded, channels=size[2])
    encoded.set_shape([None, None, size[2]])
    return encoded


def _resized(image: tf.Tensor, size: list[int]) -> tf.Tensor:
    image = tf.image.resize(image, size[:2], method="bicubic")
    image.set_shape(size)
    return image
