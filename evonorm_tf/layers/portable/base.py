"""Base classes of the portable layers: calls, masks, dtypes, moving averages."""

from typing import Any

import keras
from keras import ops

from evonorm_tf.layers.arguments import checks, settings
from evonorm_tf.layers.portable.statistics import Moments, Statistics


class ChannelLayer(settings.ChannelSettings, keras.layers.Layer):
    """A Keras layer over feature maps with a channel axis; the output has the input's shape."""

    def call(self, inputs, training=None, mask=None):
        """The layer's output, of the input's shape and in the layer's compute dtype.

        Args:
          inputs: a floating-point tensor of rank 3, 4 or 5, or the tensors that the layer takes.
          training: whether to run in training mode, a bool; None counts as False. Only batch
            statistics depend on it.
          mask: a boolean tensor of the input's shape without the channels, which must be its last
            axis; statistics count only the positions where it is True.

        Raises:
          ValueError: for an integer input, a mask of another shape, or on PyTorch for
            `synchronized` statistics in training.
        """
        if isinstance(inputs, (list, tuple)):  # ADD and its like have no statistics
            tensors, mask = [self._widened(tensor) for tensor in inputs], None
        else:
            tensors = [self._widened(inputs)]
        groups = getattr(self, "effective_groups", None)
        statistics = Statistics(tensors[0], self.axis, groups, self._checked_mask(mask, tensors[0]))
        y = self._forward(*tensors, statistics=statistics, training=training)
        return ops.cast(ops.broadcast_to(y, ops.shape(tensors[0])), self.compute_dtype)

    def _forward(self, *tensors: Any, statistics: Statistics, training: Any) -> Any:
        """The output in the inputs' dtype; may have size 1 where it does not vary."""
        raise NotImplementedError

    def _checked_mask(self, mask, x: Any) -> Any:
        """The mask with a channel axis of size 1."""
        if mask is None:
            return None
        mask = ops.cast(mask, "bool")
        checks.check_mask_shape(tuple(mask.shape), tuple(x.shape), self.axis)
        return ops.expand_dims(mask, -1)

    def compute_output_shape(self, input_shape):
        """The shape of the input; batch and spatial sizes may be None."""
        return tuple(input_shape)

    def _widened(self, inputs) -> Any:
        """The input as float64 if it is float64, else as float32."""
        x = ops.convert_to_tensor(inputs)
        dtype = keras.backend.standardize_dtype(x.dtype)
        if not keras.backend.is_float_dtype(dtype):
            raise ValueError(f"{type(self).__name__} needs floating-point input. Received: {dtype}")
        return ops.cast(x, "float64" if dtype == "float64" else "float32")

    def _per_channel(self, weight, x: Any) -> Any:
        """A weight (channels,) in the dtype and rank of x; it broadcasts to x."""
        shape = [1] * len(x.shape)
        shape[self.axis] = self.channels
        return ops.reshape(ops.cast(ops.convert_to_tensor(weight), x.dtype), shape)

    def _add_float32_weight(self, name: str, **kwargs: Any) -> Any:
        return self.add_weight(
            name=name, shape=(self.channels,), dtype="float32", autocast=False, **kwargs
        )

    def get_config(self):
        """The constructor's arguments, as values that a Keras file can hold."""
        return {**super().get_config(), "autocast": self.autocast}


class NormAct(settings.NormActSettings, ChannelLayer):
    """Base of all normalization-activation layers: gamma and beta."""

    def _affine(self, x: Any) -> Any:
        return x * self._per_channel(self.gamma, x) + self._per_channel(self.beta, x)

    def _forward(self, x, *, statistics, training):
        if self._is_affine:
            return self._affine(x)
        return self._output(x, statistics, training)

    def _output(self, x: Any, statistics: Statistics, training: Any) -> Any:
        """The layer's formula."""
        raise NotImplementedError


class BatchStatistics(settings.BatchSettings, ChannelLayer):
    """A layer with statistics of the batch in training, and moving averages in inference.

    As with Keras's BatchNormalization, a layer with `trainable = False` runs in inference.
    """

    def _add_moving(self, name: str):
        initializer = self._moving_initializer(name)
        return self._add_float32_weight(
            name, initializer=initializer, trainable=False, aggregation="mean"
        )

    def _in_training(self, training) -> bool:
        if not (training and self.trainable):
            return False
        if self.synchronized and keras.backend.backend() == "torch":
            raise ValueError(
                "`synchronized` must be False in training on PyTorch, where processes do not share "
                "statistics. Received: synchronized=True"
            )
        return True

    def _move(self, moving, value: Any, statistics: Statistics) -> None:
        """Sets moving to momentum * moving + (1 - momentum) * value, unless the batch is empty."""
        old = ops.convert_to_tensor(moving)
        value = ops.stop_gradient(ops.cast(ops.reshape(value, (self.channels,)), old.dtype))
        if statistics.is_empty is not False:
            value = ops.where(statistics.is_empty, old, value)
        moving.assign(old - (old - value) * (1.0 - self.momentum))


class BatchNormAct(settings.BatchNormActSettings, BatchStatistics, NormAct):
    """Base of the layers with moments of the batch."""

    def _batch_moments(self, x: Any, statistics: Statistics, training: Any) -> Moments:
        """The batch's moments in training, which the moving averages follow, else these."""
        if self._in_training(training):
            moments = statistics.moments(x, "BWH")
            for name in self._MOVING:
                value = moments.mean if name == "moving_mean" else moments.variance
                self._move(getattr(self, name), value, statistics)
            return moments
        variance = self._per_channel(self.moving_variance, x)
        zeros = ops.zeros_like(variance)
        has_mean = "moving_mean" in self._MOVING
        mean = self._per_channel(self.moving_mean, x) if has_mean else zeros
        return Moments(mean, zeros, variance)


class ChannelGroups(settings.GroupSettings, ChannelLayer):
    """A layer with groups of neighbouring channels."""
