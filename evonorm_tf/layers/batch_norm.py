"""The batch-dependent baselines BN-ReLU and BN-SiLU (paper table 3)."""

import tensorflow as tf

from evonorm_tf.fused import keep_input
from evonorm_tf.layers import base, fused_layer, parts
from evonorm_tf.numerics import statistics


class _BatchNorm(fused_layer.FusedBatchNormAct):
    """z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta, and an activation."""

    _MOVING = ("moving_mean", "moving_variance")

    def _reduction(self, training):
        return None if training is False else keep_input.MOMENTS

    def _coefficients(self, moments, x, training, gamma, beta, *v):
        found = self._by_mode(
            lambda: self._batch_moments(moments, x), lambda: self._moving_moments(x), training
        )
        coefficients = fused_layer.normalized(found, self.epsilon, gamma, beta, *v)
        return coefficients._replace(observed=(found.mean, found.variance))

    def _moving_moments(self, x: tf.Tensor) -> statistics.Moments:
        mean, variance = (self._per_channel(weight, x) for weight in self._moving_weights())
        return statistics.Moments(mean, tf.zeros_like(mean), variance)


@base.public_layer
class BatchNormReLU(_BatchNorm):
    """Batch normalization and ReLU (paper table 3), the baseline.

        max(z, 0),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z. As in the EvoNorms and Keras 3, the moving
    variance follows the biased batch variance.

    Weights: gamma, beta, moving_mean, moving_variance, each (channels,) and float32.
    """

    def _formula(self):
        return fused_layer.rectified if self.nonlinearity else fused_layer.multiply_add


@base.public_layer
class BatchNormSiLU(parts.TrainableV, _BatchNorm):
    """Batch normalization and SiLU/Swish with a trainable slope (paper table 3).

        z * sigmoid(v * z),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z.

    Weights: gamma, beta, v, moving_mean, moving_variance, each (channels,) and float32.
    """

    def _formula(self):
        return fused_layer.gated if self.nonlinearity else fused_layer.multiply_add
