"""The batch-independent baselines GN, LayerNorm, PixelNorm and FRN (paper tables 4, 6, 8)."""

import tensorflow as tf

from evonorm_tf import statistics
from evonorm_tf.layers import base, parts


class _GroupNorm(parts.ChannelGroups, base.NormAct):
    """n = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta, and an activation."""

    def _forward(self, x, training):
        instance = statistics.spatial_moments(x, self.axis)
        moments = statistics.group_moments(instance, self.axis, self.effective_groups)
        n = self._affine(moments.center(x) / tf.sqrt(moments.variance + self.epsilon))
        return self._activated(n) if self.nonlinearity else n

    def _activated(self, n: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError  # what the layers differ in


@base.public_layer
class GroupNormReLU(_GroupNorm):
    """Group normalization and ReLU (paper table 4).

        max(n, 0),  n = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is n.

    Weights: gamma, beta, each (channels,) and float32.
    """

    def _activated(self, n):
        return tf.nn.relu(n)


@base.public_layer
class GroupNormSiLU(parts.TrainableV, _GroupNorm):
    """Group normalization and SiLU/Swish with a trainable slope (paper table 8).

        n * sigmoid(v * n),  n = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is n.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    def _activated(self, n):
        return n * tf.sigmoid(self._factor(self.v, n) * n)


@base.public_layer
class LayerNormReLU(base.NormAct):
    """Layer normalization over (w, h, c) and ReLU (paper table 6).

        max((x - mu_{w,h,c}(x)) / sqrt(s^2_{w,h,c}(x)) * gamma + beta, 0)

    The same in training and in inference. With `nonlinearity=False` the ReLU is left out.

    Weights: gamma, beta, each (channels,) and float32.
    """

    def _forward(self, x, training):
        instance = statistics.spatial_moments(x, self.axis)
        moments = statistics.merge(instance, self.axis)
        n = self._affine(moments.center(x) / tf.sqrt(moments.variance + self.epsilon))
        return tf.nn.relu(n) if self.nonlinearity else n


@base.public_layer
class PixelNormReLU(base.NormAct):
    """Pixel-wise normalization over the channels and ReLU (paper table 6).

        max(x / sqrt(mu_c(x^2)) * gamma + beta, 0)

    The same in training and in inference. With `nonlinearity=False` the ReLU is left out.

    Weights: gamma, beta, each (channels,) and float32.
    """

    def _forward(self, x, training):
        n = self._affine(x / tf.sqrt(statistics.pixel_second_moment(x, self.axis) + self.epsilon))
        return tf.nn.relu(n) if self.nonlinearity else n


@base.public_layer
class FilterResponseNorm(parts.TrainableV):
    """Filter response normalization with a thresholded linear unit (paper table 4).

        max(x / sqrt(mu_{w,h}(x^2)) * gamma + beta, v)

    The threshold v is the v0 of the paper's formula and starts at 0. The same in training
    and in inference. With `nonlinearity=False` the threshold is left out.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    def __init__(self, *, v_initializer="zeros", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)

    def _forward(self, x, training):
        moment = statistics.moment("RMS", x, "WH", self.axis, 1)
        n = self._affine(x / tf.sqrt(moment + self.epsilon))
        return tf.maximum(n, self._factor(self.v, x)) if self.nonlinearity else n
