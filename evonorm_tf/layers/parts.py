"""Bases that layers combine: batch statistics and channel groups."""

import functools
import textwrap
from typing import Any

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.fused.computation import BatchMode
from evonorm_tf.layers import base
from evonorm_tf.numerics import masks, statistics


class BatchStatistics(base.ChannelLayer):
    """A layer with statistics of the batch in training, and moving averages in inference.

    As with Keras's BatchNormalization, a layer with `trainable = False` runs in inference.
    """

    ARGUMENTS = textwrap.dedent("""\
        momentum: weight of the old value in each update of a moving average, in [0, 1];
          default 0.9.
        synchronized: whether all replicas of a distribution strategy share their batch
          statistics; default False. If not, each replica uses its own, and the moving
          averages are averaged over the replicas. With several replicas and
          synchronized=True, `training` must be a bool: TensorFlow cannot
          communicate inside a condition.""")

    def __init__(self, *, momentum=0.9, synchronized=False, **kwargs):
        super().__init__(**kwargs)
        self.momentum = base.check_number("momentum", momentum, 0.0, 1.0)
        self.synchronized = base.check_bool("synchronized", synchronized)

    def _add_moving(self, name: str):
        # As in the authors' code, variances start at 1: an untrained layer stays finite.
        initializer = "zeros" if name.startswith("moving_mean") else "ones"
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
        distribution strategies give replicas empty batches at the end of a dataset.
        """
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

    def get_config(self):
        """The constructor's arguments, with `momentum` and `synchronized`."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "synchronized": self.synchronized,
        }


class ChannelGroups(base.ChannelLayer):
    """A layer with groups of neighbouring channels."""

    ARGUMENTS = textwrap.dedent("""\
        groups: upper bound of the number of channel groups; default 32. The layer uses the
          largest divisor of the channels up to it, its attribute `effective_groups`.
        group_size: channels per group, in place of `groups`; must divide the channels.
          Default None.""")

    def __init__(self, *, groups=32, group_size=None, **kwargs):
        super().__init__(**kwargs)
        self.groups = base.check_positive_int("groups", groups)
        self.group_size = (
            None if group_size is None else base.check_positive_int("group_size", group_size)
        )

    def _set_channels(self, input_shape) -> None:
        super()._set_channels(input_shape)
        self.effective_groups = effective_groups(self.channels, self.groups, self.group_size)

    def get_config(self):
        """The constructor's arguments; `groups` is as given, not `effective_groups`."""
        return {**super().get_config(), "groups": self.groups, "group_size": self.group_size}


def effective_groups(channels: int, groups: int, group_size: int | None = None) -> int:
    """Number of groups: channels / group_size, else the largest divisor up to `groups`.

    Raises:
      ValueError: when `group_size` does not divide the channels.
    """
    if group_size is None:
        return max(n for n in range(1, min(groups, channels) + 1) if channels % n == 0)
    if channels % group_size:
        raise ValueError(
            f"`group_size` must divide the input's {channels} channels. "
            f"Received: group_size={group_size}"
        )
    return channels // group_size
