"""The batch-dependent EvoNorms B0, B1 and B2 (paper tables 1 and 3)."""

import tensorflow as tf

from evonorm_tf import fusion, statistics
from evonorm_tf.layers import base, fused_layer, parts


class _EvoNormB(fused_layer.FusedBatchNormAct):
    """x / max(batch standard deviation, a local term) * gamma + beta."""

    _LINEAR_IS_AFFINE = True
    _MOVING = ("moving_variance",)

    def _coefficients(self, moments, x, training, gamma, beta, *v):
        variance = self._by_mode(
            lambda: self._batch_moments(moments, x).variance,
            lambda: self._per_channel(self.moving_variance, x),
            training,
        )
        batch = tf.sqrt(variance + self.epsilon)
        local = tf.sqrt(self._local_moment(moments) + self.epsilon)
        return fusion.Coefficients((batch, local, gamma, *v, beta), observed=(variance,))

    def _local_moment(self, instance: statistics.Moments) -> tf.Tensor:
        return statistics.second_moment(instance)


@base.public_layer
class EvoNormB0(parts.TrainableV, _EvoNormB):
    """EvoNorm-B0 (paper table 1): the strongest layer for large batches.

        x / max(sqrt(s^2_{b,w,h}(x)), v * x + sqrt(s^2_{w,h}(x))) * gamma + beta

    The batch variance is replaced by its moving average in inference; the instance
    variance always comes from the input. With `nonlinearity=False` the layer is
    x * gamma + beta. For small batches use EvoNormS0.

    Weights: gamma, beta, v, moving_variance, each (channels,) and float32.
    """

    def _local_moment(self, instance):
        return instance.variance

    def _formula(self):
        return _b0


@base.public_layer
class EvoNormB1(_EvoNormB):
    """EvoNorm-B1 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), (x + 1) * sqrt(mu_{w,h}(x^2))) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _formula(self):
        return _b1


@base.public_layer
class EvoNormB2(_EvoNormB):
    """EvoNorm-B2 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), sqrt(mu_{w,h}(x^2)) - x) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _formula(self):
        return _b2


def _b0(x, batch, local, gamma, v, beta):
    return x / tf.maximum(batch, v * x + local) * gamma + beta


def _b1(x, batch, local, gamma, beta):
    return x / tf.maximum(batch, (x + 1.0) * local) * gamma + beta


def _b2(x, batch, local, gamma, beta):
    return x / tf.maximum(batch, local - x) * gamma + beta
