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
        def batch_moments():
            instance = statistics.spatial_moments(x, self.axis)
            return statistics.batch_moments(instance, self._element_count(x))

        moving = [self.moving_mean, self.moving_variance]
        mean, variance = self._batch_or_moving(batch_moments, moving, x, training)
        z = self._affine((x - mean) / tf.sqrt(variance + self.epsilon))
        return self._activated(z) if self.nonlinearity else z

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
        return z * tf.sigmoid(self._per_channel(self.v, z) * z)
