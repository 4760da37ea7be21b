"""Input pipelines of training and evaluation, from the configuration of a data set."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from trainers.data import augment, digits, image_data, memory_pipeline, tfds_source
from trainers.data.config import DataConfig, ImageSpec
from trainers.engine.sharding import shard_of
from trainers.errors import TrainersError

DIGITS = "digits"


def build_inputs(
    config: DataConfig,
    model: ImageSpec,
    context: tf.distribute.InputContext | None = None,
    first_step: int = 0,
) -> tf.data.Dataset:
    """Batches for each replica that this pipeline feeds: (images, labels, weights).

    Images have pixels from 0 to 255. In training the data set is endless and begins with the
    batch of `first_step`. In evaluation each image occurs once, and images of weight 0 fill up
    the last batches.
    """
    shard = shard_of(context, config.global_batch_size)
    if _is_in_memory(config):
        split = _in_memory_split(config.source, config.data_dir, config.split)
        if config.is_training:
            batches = memory_pipeline.training_batches(split, config, shard, first_step)
        else:
            batches = memory_pipeline.evaluation_batches(split, config, shard)
    else:
        source = tfds_source.open_source(config.source, config.data_dir)
        if config.is_training:
            batches = source.training_batches(config, model.input_size, shard, first_step)
        else:
            batches = source.evaluation_batches(config, model.input_size, shard)
    options = tf.data.Options()
    # Each pipeline already makes its own part of the batches.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def count(config: DataConfig) -> int:
    """The number of images in the split."""
    if _is_in_memory(config):
        return len(_in_memory_split(config.source, config.data_dir, config.split))
    return tfds_source.open_source(config.source, config.data_dir).count(config.split)


def class_names(config: DataConfig) -> list[str]:
    """The data set's names of its classes, by label."""
    if config.source == DIGITS:
        return [str(digit) for digit in range(_digits().num_classes)]
    return tfds_source.open_source(config.source, config.data_dir).class_names


def check(config: DataConfig, model: ImageSpec, where: str) -> None:
    """Opens the data set and compares it with the model.

    Raises:
      TrainersError: when it is missing or has another number of classes, channels or
        images than the configuration says.
    """
    augment.check(config, where)
    if config.source == DIGITS:
        num_classes = _digits().num_classes
    else:
        num_classes = tfds_source.open_source(config.source, config.data_dir).num_classes
    if num_classes != model.num_classes:
        raise TrainersError(
            f"`task.model.num_classes` must be {num_classes}, the classes of "
            f"{config.source!r} ({where}). Received: num_classes={model.num_classes}"
        )
    if _is_in_memory(config):
        images = _in_memory_split(config.source, config.data_dir, config.split).images
        _check_size(images.shape[1:], config, model, where)
    if count(config) < 1:
        raise TrainersError(f"`{where}.split` is empty. Received: split={config.split!r}")


def _check_size(shape: Sequence[int], config: DataConfig, model: ImageSpec, where: str) -> None:
    side = (config.crop_size,) * 2 if config.crop == "random" else shape[:2]
    if config.is_training and (*side, shape[2]) != tuple(model.input_size):
        raise TrainersError(
            f"`task.model.input_size` must be {[*side, shape[2]]}, the size of the images of "
            f"`{where}`. Received: input_size={list(model.input_size)}"
        )


def _is_in_memory(config: DataConfig) -> bool:
    return config.in_memory or config.source == DIGITS


_digits = functools.lru_cache(maxsize=1)(digits.load)


@functools.lru_cache(maxsize=4)
def _in_memory_split(source: str, data_dir: str, split: str) -> image_data.Split:
    if source != DIGITS:
        return tfds_source.open_source(source, data_dir).in_memory(split)
    if split not in ("train", "validation", "test"):
        raise TrainersError(
            f"`split` of the digits must be train, validation or test. Received: split={split!r}"
        )
    return getattr(_digits(), split)
