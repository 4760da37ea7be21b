"""Base classes of all layers on TensorFlow: calls, masks, dtypes, gamma and beta."""

from typing import Any

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.layers import recomputation
from evonorm_tf.layers.arguments import checks, settings
from evonorm_tf.numerics import masks, statistics


class ChannelLayer(settings.ChannelSettings, tf.keras.layers.Layer):
    """A Keras layer over feature maps with a channel axis; the output has the input's shape."""

    # No layer needs AutoGraph, whose conversion takes most of the tracing time.
    @tf.autograph.experimental.do_not_convert
    def call(self, inputs, training=None, mask=None):
        """The layer's output, of the input's shape and in the layer's compute dtype.

        Args:
          inputs: a floating-point tensor of rank 3, 4 or 5, or the tensors that the layer takes.
          training: whether to run in training mode, a bool or a boolean tensor; None counts as
            False. Only batch statistics depend on it.
          mask: a boolean tensor of the input's shape without the channels, which must be its last
            axis; statistics count only the positions where it is True.

        Raises:
          ValueError: for an integer input, or a mask of another shape.
        """
        if mask is None or isinstance(inputs, (list, tuple)):  # ADD and its like have no statistics
            return self._call(inputs, training)
        with masks.applied(self._checked_mask(mask, inputs)):
            return self._call(inputs, training)

    def recomputed(self, inputs, training=None):
        """The output of a call once more, in a backward pass; moving averages stay.

        For operations that would otherwise keep this layer's output for their own backward pass.
        """
        with recomputation.active():
            return self._call(inputs, training)

    def _call(self, inputs, training):
        raise NotImplementedError

    def _checked_mask(self, mask, inputs) -> tf.Tensor:
        mask = tf.cast(tf.convert_to_tensor(mask), tf.bool)
        checks.check_mask_shape(mask.shape, inputs.shape, self.axis)
        return mask[..., None]

    def compute_output_shape(self, input_shape):
        """The shape of the input; batch and spatial sizes may be None."""
        return compat.output_shape(input_shape)

    def _checked(self, inputs) -> tf.Tensor:
        x = tf.convert_to_tensor(inputs)
        if not x.dtype.is_floating:
            raise ValueError(
                f"{type(self).__name__} needs floating-point input. Received: {x.dtype.name}"
            )
        return x

    def _to_statistics_dtype(self, inputs) -> tf.Tensor:
        return statistics.widened(self._checked(inputs))

    def _per_channel(self, weight, x: tf.Tensor) -> tf.Tensor:
        """A weight (channels,) in the statistics dtype and rank of x; it broadcasts to x."""
        dtype = statistics.statistics_dtype(x.dtype)
        return tf.reshape(tf.cast(tf.convert_to_tensor(weight), dtype), self._channel_shape(x))

    def _aligned(self, vector: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """A vector (channels,) in a shape that broadcasts to x."""
        is_last = self.axis % x.shape.rank == x.shape.rank - 1
        return vector if is_last else tf.reshape(vector, self._channel_shape(x))

    def _channel_shape(self, x: tf.Tensor) -> list[int]:
        shape = [1] * x.shape.rank
        shape[self.axis] = self.channels
        return shape

    def _add_float32_weight(self, name: str, **kwargs: Any) -> Any:
        return compat.add_float32_weight(self, name, (self.channels,), **kwargs)

    def get_config(self):
        """The constructor's arguments, as values that a Keras file can hold."""
        return {**super().get_config(), "autocast": compat.autocasts(self)}


class NormAct(settings.NormActSettings, ChannelLayer):
    """Base of all normalization-activation layers: gamma, beta, and their arguments.

    A subclass computes its formula in `_forward`, in float32 (float64 for float64 input);
    the result is cast to the layer's compute dtype. If `gamma_before_activation`,
    `formula(z, scale=, offset=)`, with `v=` where the layer has v, is the rest of the layer after
    the normalization.
    """

    def _call(self, inputs, training):
        y = self._forward(self._to_statistics_dtype(inputs), training)
        return tf.cast(y, self.compute_dtype)

    def _forward(self, x: tf.Tensor, training) -> tf.Tensor:
        raise NotImplementedError

    def _affine(self, x: tf.Tensor) -> tf.Tensor:
        gamma, beta = (tf.cast(tf.convert_to_tensor(w), x.dtype) for w in (self.gamma, self.beta))
        return x * self._aligned(gamma, x) + self._aligned(beta, x)
