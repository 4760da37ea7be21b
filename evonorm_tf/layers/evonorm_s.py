"""The batch-independent EvoNorms S0, S1 and S2 (paper table 4)."""

import tensorflow as tf

from evonorm_tf.fused import keep_input
from evonorm_tf.layers import base, fused_layer, parts
from evonorm_tf.numerics import statistics
from evonorm_tf.xla_cpu import sigmoid


class _EvoNormS(parts.ChannelGroups, fused_layer.FusedNormAct):
    """A sigmoid-weighted x over the root of a group moment, * gamma + beta."""

    _LINEAR_IS_AFFINE = True

    def _formula(self):
        return _swish

    def _coefficients(self, reduced, x, training, gamma, beta, *v):
        scale = gamma / tf.sqrt(self._moment(reduced) + self.epsilon)
        return keep_input.Coefficients((scale, *v, beta))

    def _moment(self, reduced) -> tf.Tensor:
        return statistics.group_variance(reduced, self.axis, self.effective_groups)


def _swish(x, scale, offset):
    return x * sigmoid.sigmoid(x) * scale + offset


def _swish_with_slope(x, scale, v, offset):
    return x * sigmoid.sigmoid(v * x) * scale + offset


@base.public_layer
class EvoNormS0(parts.TrainableV, _EvoNormS):
    """EvoNorm-S0 (paper table 4): the strongest layer that needs no batch.

        x * sigmoid(v * x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta. Where a group's variance is small (1x1 maps with one channel a
    group), the divisor falls to sqrt(epsilon): use fewer groups there.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    def _formula(self):
        return _swish_with_slope


@base.public_layer
class EvoNormS1(_EvoNormS):
    """EvoNorm-S1 (paper table 4).

        x * sigmoid(x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.
    """


@base.public_layer
class EvoNormS2(_EvoNormS):
    """EvoNorm-S2 (paper table 4).

        x * sigmoid(x) / sqrt(mu_{w,h,c/g}(x^2)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.
    """

    def _reduction(self, training):
        return keep_input.SECOND_MOMENT

    def _moment(self, reduced):
        return statistics.group_mean(reduced.square, self.axis, self.effective_groups)
