"""The residual blocks of tf-models-official with any norm-act layer.

tf-models-official builds a block; then its norms, which are not built yet, are replaced. Norms
within a branch become nonlinear layers. Those at the end of a branch, where gamma starts at 0
as in the authors' code, and in the projection become linear ones, and the ReLU after the
addition stays.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from official.vision.modeling.layers import nn_blocks


class _NormActBlock(tf.keras.layers.Layer):
    """What both blocks share; a block inherits from it before tf-models-official's class.

    Args:
      make_layer: a function that `evonorm_tf.norm_act_factory` returned.
      **kwargs: of tf-models-official's block.
    """

    # Names of the norms within a branch, and of the one at its end.
    within: tuple[str, ...]
    end: str
    _use_projection: bool

    def __init__(self, make_layer: Callable[..., tf.keras.layers.Layer], **kwargs: Any):
        super().__init__(**kwargs)
        self._make_layer = make_layer

    def build(self, input_shape: Any) -> None:
        """Creates the sublayers."""
        super().build(input_shape)
        if self._use_projection:
            self._norm0 = self._make_layer(nonlinearity=False, name="shortcut_norm")
        for number, name in enumerate(self.within, start=1):
            setattr(self, name, self._make_layer(name=f"norm_act{number}"))
        end = self._make_layer(nonlinearity=False, name="norm", gamma_initializer="zeros")
        setattr(self, self.end, end)


class BottleneckBlock(_NormActBlock, nn_blocks.BottleneckBlock):
    """1x1, 3x3 and 1x1 convolution."""

    within, end = ("_norm1", "_norm2"), "_norm3"

    def build(self, input_shape: Any) -> None:
        """Creates the sublayers."""
        super().build(input_shape)
        self._activation1 = self._activation2 = tf.identity


class ResidualBlock(_NormActBlock, nn_blocks.ResidualBlock):
    """Two 3x3 convolutions."""

    within, end = ("_norm1",), "_norm2"

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Returns relu(shortcut + branch)."""
        shortcut = self._norm0(self._shortcut(inputs)) if self._use_projection else inputs
        x = self._norm1(self._conv1(inputs))
        x = self._norm2(self._conv2(x))
        if self._stochastic_depth:
            x = self._stochastic_depth(x, training=training)
        return self._activation_fn(x + shortcut)
