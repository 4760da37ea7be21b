"""The batch-dependent baselines BN-ReLU and BN-SiLU (paper table 3)."""

import tensorflow as tf

from evonorm_tf import statistics
from evonorm_tf.layers import base, parts


class _BatchNorm(parts.BatchStatistics, base.NormAct):
    """z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta, and an activation."""

    def build(self, input_shape):
        super().build(input_shape)
        self.moving_mean = self._add_moving("moving_mean")
        self.moving_variance = self._add_moving("moving_variance")

    def _forward(self, x, training):
        moments = self._by_mode(
            lambda: self._batch_moments(x), lambda: self._moving_moments(x), training
        )
        z = self._affine(moments.center(x) / tf.sqrt(moments.variance + self.epsilon))
        return self._activated(z) if self.nonlinearity else z

    def _batch_moments(self, x: tf.Tensor) -> statistics.Moments:
        instance = statistics.spatial_moments(x, self.axis)
        moments = statistics.batch_moments(instance, self._element_count(x))
        self._move(self.moving_mean, moments.mean, x)
        self._move(self.moving_variance, moments.variance, x)
        return moments

    def _moving_moments(self, x: tf.Tensor) -> statistics.Moments:
        mean = self._per_channel(self.moving_mean, x)
        variance = self._per_channel(self.moving_variance, x)
        return statistics.Moments(mean, tf.zeros_like(mean), variance)

    def _activated(self, z: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError  # what the layers differ in


@base.public_layer
class BatchNormReLU(_BatchNorm):
    """Batch normalization and ReLU (paper table 3), the baseline.

        max(z, 0),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z. As in the EvoNorms and Keras 3, the moving
    variance follows the biased batch variance.

    Weights: gamma, beta, moving_mean, moving_variance, each (channels,) and float32.
    """

    def _activated(self, z):
        return tf.nn.relu(z)


@base.public_layer
class BatchNormSiLU(parts.TrainableV, _BatchNorm):
    """Batch normalization and SiLU/Swish with a trainable slope (paper table 3).

        z * sigmoid(v * z),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z.

    Weights: gamma, beta, v, moving_mean, moving_variance, each (channels,) and float32.
    """

    def _activated(self, z):
        return z * tf.sigmoid(self._factor(self.v, z) * z)
