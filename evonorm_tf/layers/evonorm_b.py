"""The batch-dependent EvoNorms B0, B1 and B2 (paper tables 1 and 3)."""

import tensorflow as tf

from evonorm_tf import statistics
from evonorm_tf.layers import base, parts


class _EvoNormB(parts.BatchStatistics, base.NormAct):
    """x / max(batch standard deviation, a local term) * gamma + beta."""

    def build(self, input_shape):
        super().build(input_shape)
        if self.nonlinearity:
            self.moving_variance = self._add_moving("moving_variance")

    def _forward(self, x, training):
        if not self.nonlinearity:
            return self._affine(x)
        instance = statistics.spatial_moments(x, self.axis)

        variance = self._by_mode(
            lambda: self._batch_variance(x, instance),
            lambda: self._per_channel(self.moving_variance, x),
            training,
        )
        local = self._local_term(x, instance)
        return self._affine(x / tf.maximum(tf.sqrt(variance + self.epsilon), local))

    def _batch_variance(self, x: tf.Tensor, instance: statistics.Moments) -> tf.Tensor:
        variance = statistics.batch_moments(instance, self._element_count(x)).variance
        self._move(self.moving_variance, variance, x)
        return variance

    def _local_term(self, x: tf.Tensor, instance: statistics.Moments) -> tf.Tensor:
        raise NotImplementedError  # what B0, B1 and B2 differ in

    def _instance_rms(self, instance: statistics.Moments) -> tf.Tensor:
        # mu(x^2) = s^2(x) + mu(x)^2, a sum of squares: nothing cancels.
        return tf.sqrt(instance.variance + tf.square(instance.mean) + self.epsilon)


@base.public_layer
class EvoNormB0(parts.TrainableV, _EvoNormB):
    """EvoNorm-B0 (paper table 1): the strongest layer for large batches.

        x / max(sqrt(s^2_{b,w,h}(x)), v * x + sqrt(s^2_{w,h}(x))) * gamma + beta

    The batch variance is replaced by its moving average in inference; the instance
    variance always comes from the input. With `nonlinearity=False` the layer is
    x * gamma + beta. For small batches use EvoNormS0.

    Weights: gamma, beta, v, moving_variance, each (channels,) and float32.
    """

    def _local_term(self, x, instance):
        return self._factor(self.v, x) * x + tf.sqrt(instance.variance + self.epsilon)


@base.public_layer
class EvoNormB1(_EvoNormB):
    """EvoNorm-B1 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), (x + 1) * sqrt(mu_{w,h}(x^2))) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _local_term(self, x, instance):
        return (x + 1.0) * self._instance_rms(instance)


@base.public_layer
class EvoNormB2(_EvoNormB):
    """EvoNorm-B2 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), sqrt(mu_{w,h}(x^2)) - x) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _local_term(self, x, instance):
        return self._instance_rms(instance) - x
