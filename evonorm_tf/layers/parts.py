"""Parts that layers combine: batch statistics, channel groups, the trainable vector v."""

import textwrap
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.layers import base
from evonorm_tf.numerics import masks, statistics


class BatchStatistics(base.ChannelLayer):
    """Statistics over the batch in training, moving averages in inference.

    As in Keras's BatchNormalization, a layer with `trainable = False` runs in inference.
    """

    ARGUMENTS = textwrap.dedent("""\
        momentum: share of the old value in the moving averages, in [0, 1].
        synchronized: whether all replicas of a distribution strategy share their batch
          statistics. If not, each normalizes by its own, and the moving averages are
          averaged over the replicas. Where it has several replicas to synchronize,
          `training` must be a bool: TensorFlow cannot communicate inside a condition.""")

    def __init__(self, *, momentum=0.9, synchronized=False, **kwargs):
        super().__init__(**kwargs)
        self.momentum = base.check_number("momentum", momentum, 0.0, 1.0)
        self.synchronized = base.check_bool("synchronized", synchronized)

    def _add_moving(self, name: str):
        # Authors' code: variances start at 1, which keeps an untrained layer finite.
        initializer = "zeros" if name.startswith("moving_mean") else "ones"
        return compat.add_moving_statistic(self, name, (self.channels,), initializer)

    def _element_count(self, x: tf.Tensor) -> tf.Tensor | None:
        """This replica's weight in synchronized statistics; None when they are local."""
        return statistics.element_count(x, self.axis) if self.synchronized else None

    def _by_mode(self, from_batch: Callable[[], Any], from_moving: Callable[[], Any], training):
        """What the first function returns in training, or the second in inference."""
        training = self._in_training(training)
        if isinstance(training, bool):
            return from_batch() if training else from_moving()
        return tf.cond(training, from_batch, from_moving)

    def _move(self, moving, value: tf.Tensor, x: tf.Tensor, training: Any = True) -> None:
        """moving <- momentum * moving + (1 - momentum) * value.

        Unless the tensor `training` is false. A batch without examples has no value, and
        moves nothing.

        Strategies hand such batches to replicas when the last examples do not suffice.
        """
        old = tf.convert_to_tensor(moving)
        value = tf.cast(tf.reshape(value, [self.channels]), old.dtype)
        if not x.shape.num_elements() or masks.current() is not None:  # maybe empty
            no_value = masks.is_empty(x)
            if self.synchronized and statistics.replica_context() is not None:
                # The value is the other replicas', unless they have no examples either.
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
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "synchronized": self.synchronized,
        }


class ChannelGroups(base.ChannelLayer):
    """Neighbouring channels in groups: the largest number up to `groups` that divides."""

    ARGUMENTS = textwrap.dedent("""\
        groups: upper bound of the number of channel groups. The layer uses the largest
          divisor of the channels up to it, which it shows as `effective_groups`.
        group_size: channels a group, in place of `groups`; must divide the channels.""")

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


class TrainableV(base.NormAct):
    """The trainable vector v of a layer's nonlinearity; absent when nonlinearity=False."""

    ARGUMENTS = "v_initializer: of the trainable vector v."

    def __init__(self, *, v_initializer="ones", **kwargs):
        super().__init__(**kwargs)
        self.v_initializer = tf.keras.initializers.get(v_initializer)

    def build(self, input_shape):
        super().build(input_shape)
        self.v = self._add_vector("v") if self.nonlinearity else None

    def get_config(self):
        serialize = tf.keras.initializers.serialize
        return {**super().get_config(), "v_initializer": serialize(self.v_initializer)}
