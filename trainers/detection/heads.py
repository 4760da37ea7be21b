"""The heads of Mask R-CNN in tf-models-official, with any norm-act layer.

All their norms precede an activation. tf-models-official builds a head; then its norms, which
are not built yet, are replaced by nonlinear layers of the same names.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from official.vision.modeling.heads import dense_prediction_heads, instance_heads


class _NormActHead:
    """What all heads share; a head inherits from it before tf-models-official's class.

    Args:
      make_layer: a function that `evonorm_tf.norm_act_factory` returned.
      **kwargs: of tf-models-official's head.
    """

    def __init__(self, make_layer: Callable[..., tf.keras.layers.Layer], **kwargs: Any):
        super().__init__(**kwargs)
        self._make_layer = make_layer
        self._activation = tf.identity

    def _replaced(self, norms: Sequence[tf.keras.layers.Layer]) -> list[tf.keras.layers.Layer]:
        return [self._make_layer(name=norm.name) for norm in norms]


class RPNHead(_NormActHead, dense_prediction_heads.RPNHead):
    """Region proposals: all levels share convolutions, and each has its own norm-act layers."""

    _norms: list[list[tf.keras.layers.Layer]]

    def build(self, input_shape: Any) -> None:
        """Creates the sublayers."""
        super().build(input_shape)
        self._norms = [self._replaced(norms) for norms in self._norms]


class DetectionHead(_NormActHead, instance_heads.DetectionHead):
    """Boxes and classes of regions, where each region is an example."""

    _conv_norms: list[tf.keras.layers.Layer]
    _fc_norms: list[tf.keras.layers.Layer]

    def build(self, input_shape: Any) -> None:
        """Creates the sublayers."""
        super().build(input_shape)
        self._conv_norms = self._replaced(self._conv_norms)
        self._fc_norms = [EachRegion(layer) for layer in self._replaced(self._fc_norms)]


class MaskHead(_NormActHead, instance_heads.MaskHead):
    """Masks of regions, where each region is an example."""

    _conv_norms: list[tf.keras.layers.Layer]
    _deconv_bn: tf.keras.layers.Layer

    def build(self, input_shape: Any) -> None:
        """Creates the sublayers."""
        super().build(input_shape)
        self._conv_norms = self._replaced(self._conv_norms)
        self._deconv_bn = self._make_layer(name=self._deconv_bn.name)


class EachRegion(tf.keras.layers.Layer):
    """A norm-act layer on the features of regions, each of which is a 1x1 feature map.

    Spatial statistics are those of a single element, groups have one region's channels, and
    only batch statistics mix regions, as in the convolutions of the heads. This is our
    choice: neither the paper nor its code says it.

    Input and output have the shape (images, regions, channels).

    Args:
      layer: the norm-act layer, not built yet.
    """

    def __init__(self, layer: tf.keras.layers.Layer):
        """Wraps a layer that is not built yet, under the layer's name."""
        super().__init__(name=layer.name)
        self.layer = layer

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The layer's output for each region."""
        channels = inputs.shape[-1]
        maps = tf.reshape(inputs, [-1, 1, 1, channels])
        return tf.reshape(self.layer(maps), [-1, *inputs.shape[1:]])
