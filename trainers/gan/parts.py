"""The common parts of generator and discriminator: stages and self-attention."""

from typing import Any

import tensorflow as tf

from trainers.errors import TrainersError
from trainers.gan.spectral import SpectralConv2D, build_parts

# Channels over the network's width, from the map of 4x4 pixels to the image, whose side doubles
# from stage to stage. From 128 on those of BigGAN-deep (appendix B, tables 7 to 9); below, ours.
WIDTHS = {
    8: (2, 1),
    16: (4, 2, 1),
    32: (8, 4, 2, 1),
    64: (16, 8, 4, 2, 1),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
}
# A residual block's two 3x3 convolutions have a quarter of its channels.
BOTTLENECK = 4


def stage_widths(resolution: int, width: int) -> list[int]:
    """The channels of each stage, from 4x4 pixels to the image.

    Raises:
      TrainersError: for a resolution that there is no network for.
    """
    if resolution not in WIDTHS:
        raise TrainersError(
            f"`resolution` must be one of {', '.join(map(str, WIDTHS))}. "
            f"Received: resolution={resolution}"
        )
    return [width * times for times in WIDTHS[resolution]]


class SelfAttention(tf.keras.layers.Layer):
    """The non-local block of SAGAN and BigGAN: x + gamma * attention(x), where gamma starts at 0.

    Queries and keys have an eighth of the channels, and values a half. Max pooling reduces keys
    and values by two.
    """

    def build(self, input_shape: Any) -> None:
        """Creates the four 1x1 convolutions and gamma."""
        channels = input_shape[-1]
        self._inner, self._outer = max(1, channels // 8), max(1, channels // 2)
        self.query = _pointwise(self._inner, "query")
        self.key = _pointwise(self._inner, "key")
        self.value = _pointwise(self._outer, "value")
        self.output_conv = _pointwise(channels, "output")
        shapes = dict.fromkeys((self.query, self.key, self.value), input_shape)
        build_parts({**shapes, self.output_conv: (*input_shape[:-1], self._outer)})
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The input plus gamma times the attended values."""
        batch, height, width = tf.shape(inputs)[0], inputs.shape[1], inputs.shape[2]
        query = tf.reshape(
            self.query(inputs, training=training), [batch, height * width, self._inner]
        )
        key, value = (
            tf.reshape(
                tf.nn.max_pool2d(conv(inputs, training=training), 2, 2, "VALID"),
                [batch, height * width // 4, size],
            )
            for conv, size in ((self.key, self._inner), (self.value, self._outer))
        )
        attention = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
        attended = tf.reshape(tf.matmul(attention, value), [batch, height, width, self._outer])
        return inputs + self.gamma * self.output_conv(attended, training=training)


def _pointwise(filters: int, name: str) -> SpectralConv2D:
    return SpectralConv2D(filters, 1, use_bias=False, name=name)
