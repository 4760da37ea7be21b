"""The batch-independent baselines GN, LayerNorm, PixelNorm and FRN (paper tables 4, 6, 8)."""

import tensorflow as tf

from evonorm_tf.fused import keep_input
from evonorm_tf.layers import base, fused_layer, parts
from evonorm_tf.numerics import statistics


class _SampleNorm(fused_layer.FusedNormAct):
    """n = (x - mean) / sqrt(variance) * gamma + beta over parts of an example, activated."""

    def _coefficients(self, moments, x, training, gamma, beta, *v):
        return fused_layer.normalized(self._merged(moments), self.epsilon, gamma, beta, *v)

    def _merged(self, instance: statistics.Moments) -> statistics.Moments:
        raise NotImplementedError  # what the layers differ in

    def _formula(self):
        return fused_layer.rectified if self.nonlinearity else fused_layer.multiply_add


class _GroupNorm(parts.ChannelGroups, _SampleNorm):
    """Over (w, h, c/g)."""

    def _merged(self, instance):
        return statistics.group_moments(instance, self.axis, self.effective_groups)


@base.public_layer
class GroupNormReLU(_GroupNorm):
    """Group normalization and ReLU (paper table 4).

        max(n, 0),  n = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is n.

    Weights: gamma, beta, each (channels,) and float32.
    """


@base.public_layer
class GroupNormSiLU(parts.TrainableV, _GroupNorm):
    """Group normalization and SiLU/Swish with a trainable slope (paper table 8).

        n * sigmoid(v * n),  n = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is n.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    def _formula(self):
        return fused_layer.gated if self.nonlinearity else fused_layer.multiply_add


@base.public_layer
class LayerNormReLU(_SampleNorm):
    """Layer normalization over (w, h, c) and ReLU (paper table 6).

        max((x - mu_{w,h,c}(x)) / sqrt(s^2_{w,h,c}(x)) * gamma + beta, 0)

    The same in training and in inference. With `nonlinearity=False` the ReLU is left out.

    Weights: gamma, beta, each (channels,) and float32.
    """

    def _merged(self, instance):
        return statistics.merge(instance, self.axis)


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
class FilterResponseNorm(parts.TrainableV, fused_layer.FusedNormAct):
    """Filter response normalization with a thresholded linear unit (paper table 4).

        max(x / sqrt(mu_{w,h}(x^2)) * gamma + beta, v)

    The threshold v is the v0 of the paper's formula and starts at 0. The same in training
    and in inference. With `nonlinearity=False` the threshold is left out.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    def __init__(self, *, v_initializer="zeros", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)

    def _reduction(self, training):
        return keep_input.SECOND_MOMENT

    def _coefficients(self, reduced, x, training, gamma, beta, *v):
        root = tf.sqrt(reduced.square + self.epsilon)
        return keep_input.Coefficients((gamma / root, beta, *v))

    def _formula(self):
        return _thresholded if self.nonlinearity else fused_layer.multiply_add


def _thresholded(x, scale, offset, v):
    return tf.maximum(x * scale + offset, v)
