"""Bases that layers combine: batch statistics and channel groups."""

import functools
from typing import Any

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.fused.computation import BatchMode
from evonorm_tf.layers import base, recomputation
from evonorm_tf.layers.arguments import settings
from evonorm_tf.numerics import masks, statistics


class BatchStatistics(settings.BatchSettings, base.ChannelLayer):
    """A layer with statistics of the batch in training, and moving averages in inference.

    As with Keras's BatchNormalization, a layer with `trainable = False` runs in inference.
    """

    def _add_moving(self, name: str):
        initializer = self._moving_initializer(name)
        return compat.add_moving_statistic(self, name, (self.channels,), initializer)

    def _batch_mode(self, moving_weights, x: tf.Tensor, training) -> BatchMode | None:
        """The mode of one call; None for a layer without moving averages."""
        if not moving_weights:
            return None
        training = self._in_training(training)
        shares = self.synchronized and training is not False
        elements = statistics.element_count(x, self.axis) if shares else None
        read = [functools.partial(self._per_channel, weight, x) for weight in moving_weights]
        return BatchMode(training, elements, () if training is True else tuple(read))

    def _move(self, moving, value: tf.Tensor, x: tf.Tensor, training: Any = True) -> None:
        """Sets moving to momentum * moving + (1 - momentum) * value.

        Nothing moves where the tensor `training` is false, or where the batch has no examples:
        distribution strategies give replicas empty batches at the end of a dataset. Nor does it
        in a backward pass, which computes the value once more.
        """
        if recomputation.is_active():
            return
        old = tf.convert_to_tensor(moving)
        value = tf.cast(tf.reshape(value, [self.channels]), old.dtype)
        if not x.shape.num_elements() or masks.current() is not None:  # x may be empty
            no_value = masks.is_empty(x)
            if self.synchronized and statistics.replica_context() is not None:
                # The other replicas determine the value; it is NaN if all of them are empty.
                no_value = tf.logical_and(no_value, tf.math.is_nan(value))
            value = tf.where(no_value, old, value)
        if tf.is_tensor(training):
            value = tf.where(training, value, old)
        moving.assign(old - (old - value) * (1.0 - self.momentum))

    def _in_training(self, training) -> bool | tf.Tensor:
        if training is None or not self.trainable:
            return False
        if tf.is_tensor(training):
            value = tf.get_static_value(training)
            return tf.cast(training, tf.bool) if value is None else bool(value)
        return bool(training)


class ChannelGroups(settings.GroupSettings, base.ChannelLayer):
    """A layer with groups of neighbouring channels."""
