"""Batches of a data set in memory, each of which is a function of seed and step.

The order of an epoch is a pseudorandom permutation that can be computed element by element. So
a resumed training sees the same images as an uninterrupted one, and the replicas of any number
of workers see parts of the batch that a single device would see.
"""

import numpy as np
import tensorflow as tf

from trainers.data.augment import crop_and_flip
from trainers.data.config import DataConfig
from trainers.data.image_data import Split
from trainers.engine.sharding import Shard


def training_batches(
    split: Split, config: DataConfig, shard: Shard, first_step: int
) -> tf.data.Dataset:
    """Endless batches (images, labels, weights) of this input pipeline from a step on."""
    images, labels = tf.constant(split.images), tf.constant(split.labels)
    size = shard.per_replica_batch

    def batch(step: tf.Tensor, replica: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        first = (step * shard.num_replicas + replica) * size
        chosen = shuffled(tf.range(first, first + size), len(split), config.seed)
        batch_images = tf.gather(images, chosen)
        if config.crop == "random" or config.flip:
            draws = _draws(step, replica, shard, config.seed)
            batch_images = crop_and_flip(batch_images, config, draws)
        return batch_images, tf.gather(labels, chosen), tf.ones([size])

    return _indices(shard, first_step, None).map(batch, num_parallel_calls=tf.data.AUTOTUNE)


def evaluation_batches(split: Split, config: DataConfig, shard: Shard) -> tf.data.Dataset:
    """Each image once, in order; images of weight 0 fill up the last batches."""
    images, labels = tf.constant(split.images), tf.constant(split.labels)
    size, count = shard.per_replica_batch, len(split)

    def batch(step: tf.Tensor, replica: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        first = (step * shard.num_replicas + replica) * size
        positions = tf.range(first, first + size)
        chosen = tf.minimum(positions, count - 1)
        weights = tf.cast(positions < count, tf.float32)
        return tf.gather(images, chosen), tf.gather(labels, chosen), weights

    steps = -(-count // (shard.num_replicas * size))
    return _indices(shard, 0, steps).map(batch, num_parallel_calls=tf.data.AUTOTUNE)


def shuffled(positions: tf.Tensor, count: int, seed: int) -> tf.Tensor:
    """Indices of the examples at positions (int64) in an endless sequence of shuffled epochs."""
    epochs = positions // count
    seeds = tf.stack([tf.fill(tf.shape(positions), np.int64(seed)), epochs, 0 * epochs], 1)
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % count,
        seed=seeds,
        max_index=tf.fill(tf.shape(positions), np.int64(count - 1)),
    )


def _indices(shard: Shard, first_step: int, steps: int | None) -> tf.data.Dataset:
    """The pairs (step, number of the replica) of this pipeline's batches."""
    local = shard.replicas_here
    last = np.iinfo(np.int64).max if steps is None else (first_step + steps) * local
    counters = tf.data.Dataset.range(first_step * local, last)
    return counters.map(lambda i: (i // local, shard.first_replica + i % local))


def _draws(step: tf.Tensor, replica: tf.Tensor, shard: Shard, seed: int) -> tf.Tensor:
    """Three numbers in [0, 1) for each image, which do not depend on the number of replicas."""
    size = shard.per_replica_batch
    whole = tf.random.stateless_uniform([shard.num_replicas * size, 3], [np.int64(seed), step])
    return whole[replica * size : (replica + 1) * size]
