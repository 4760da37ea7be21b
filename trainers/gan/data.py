"""The input of a GAN's training: real images, and noise and labels of the generator.

For data in memory all of it is a function of seed and step, so that a resumed training equals
an uninterrupted one.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from trainers.data import inputs
from trainers.data.config import DataConfig
from trainers.engine.sharding import shard_of
from trainers.gan import sampling
from trainers.gan.config import GanConfig, GanModelConfig
from trainers.gan.features import enlarged


@dataclasses.dataclass
class RealImages:
    """The classes that the data set must have, and its images' size before enlargement."""

    num_classes: int
    input_size: list[int]

    @classmethod
    def of(cls, model: GanModelConfig) -> "RealImages":
        """The classes and images that a model's configuration asks for."""
        height, width, channels = model.input_size
        times = model.upsampling
        return cls(model.num_classes, [height // times, width // times, channels])


def training_batches(
    config: GanConfig, data: DataConfig, context: tf.distribute.InputContext | None, first_step: int
) -> tf.data.Dataset:
    """Batches for each replica: (images, labels, noise, drawn labels), from a step on.

    There are images and labels for `discriminator_steps` steps, and noise and drawn labels for
    one more, the generator's.
    """
    rounds = config.discriminator_steps
    whole = data.replace(global_batch_size=data.global_batch_size * rounds)
    real = inputs.build_inputs(whole, RealImages.of(config.model), context, first_step)
    shard = shard_of(context, data.global_batch_size)
    count = shard.per_replica_batch * (rounds + 1)

    def draw(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        step, place = number // shard.replicas_here, number % shard.replicas_here
        batch = step * shard.num_replicas + shard.first_replica + place
        seed = tf.stack([np.int64(config.seed), batch])
        labels = tf.random.stateless_uniform(
            [count], seed, maxval=config.model.num_classes, dtype=tf.int32
        )
        return sampling.noise((count, config.model.noise_size), seed), labels

    numbers = tf.data.Dataset.range(first_step * shard.replicas_here, np.iinfo(np.int64).max)
    drawn = numbers.map(draw, num_parallel_calls=tf.data.AUTOTUNE)
    batches = tf.data.Dataset.zip((real, drawn)).map(
        lambda real, drawn: (scaled(real[0], config.model), real[1], *drawn)
    )
    return _unsharded(batches)


def evaluation_batches(
    config: GanConfig, data: DataConfig, context: tf.distribute.InputContext | None
) -> tf.data.Dataset:
    """Batches (images, labels, weights); images of weight 0 fill up the last ones."""
    batches = inputs.build_inputs(data, RealImages.of(config.model), context)
    return _unsharded(batches.map(lambda images, *others: (scaled(images, config.model), *others)))


def scaled(images: tf.Tensor, model: GanModelConfig) -> tf.Tensor:
    """The data's images in the networks' size, with pixels from -1 to 1."""
    images = enlarged(tf.cast(images, tf.float32), model.upsampling)
    return tf.clip_by_value(images / 127.5 - 1.0, -1.0, 1.0)


def _unsharded(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Prefetched batches that are not sharded again: each pipeline makes its own."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)
