"""The batch-independent EvoNorms S0, S1 and S2 (paper table 4)."""

import tensorflow as tf

from evonorm_tf import statistics
from evonorm_tf.layers import base, parts


class _EvoNormS(parts.ChannelGroups, base.NormAct):
    """A sigmoid-weighted x over the root of a group moment, * gamma + beta."""

    def _forward(self, x, training):
        if not self.nonlinearity:
            return self._affine(x)
        moment = statistics.moment(self._MOMENT, x, "WHCQ", self.axis, self.effective_groups)
        return self._affine(self._activated(x) / tf.sqrt(moment + self.epsilon))

    def _activated(self, x: tf.Tensor) -> tf.Tensor:
        return x * tf.sigmoid(x)


@base.public_layer
class EvoNormS0(parts.TrainableV, _EvoNormS):
    """EvoNorm-S0 (paper table 4): the strongest layer that needs no batch.

        x * sigmoid(v * x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta. Where a group's variance is small (1x1 maps with one channel a
    group), the divisor falls to sqrt(epsilon): use fewer groups there.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    _MOMENT = "STD"

    def _activated(self, x):
        return x * tf.sigmoid(self._factor(self.v, x) * x)


@base.public_layer
class EvoNormS1(_EvoNormS):
    """EvoNorm-S1 (paper table 4).

        x * sigmoid(x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.
    """

    _MOMENT = "STD"


@base.public_layer
class EvoNormS2(_EvoNormS):
    """EvoNorm-S2 (paper table 4).

        x * sigmoid(x) / sqrt(mu_{w,h,c/g}(x^2)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.
    """

    _MOMENT = "RMS"
