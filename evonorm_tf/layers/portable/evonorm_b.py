"""The batch-dependent EvoNorms B0, B1 and B2 (paper tables 1 and 3)."""

from typing import Any

from keras import ops

from evonorm_tf.layers.arguments import documentation
from evonorm_tf.layers.portable import base, float64
from evonorm_tf.layers.portable.statistics import Statistics


class _EvoNormB(base.BatchNormAct):
    """x / max(batch_std, a local term) * gamma + beta."""

    _LINEAR_IS_AFFINE = True
    _MOVING = ("moving_variance",)

    def _output(self, x, statistics, training):
        variance = self._batch_moments(x, statistics, training).variance
        batch_std = ops.sqrt(variance + self.epsilon)
        return self._affine(x / float64.maximum(batch_std, self._local_term(x, statistics)))

    def _local_term(self, x: Any, statistics: Statistics) -> Any:
        raise NotImplementedError


@documentation.public_layer
class EvoNormB0(_EvoNormB):
    """EvoNorm-B0 (paper table 1): the strongest layer for large batches.

        x / max(sqrt(s^2_{b,w,h}(x)), v * x + sqrt(s^2_{w,h}(x))) * gamma + beta

    The batch variance is replaced by its moving average in inference. With `nonlinearity=False`
    the layer is x * gamma + beta.

    Weights: gamma, beta, v, moving_variance, each (channels,) and float32.
    """

    _HAS_V = True
    ARGUMENTS = documentation.V_ARGUMENT

    def __init__(self, *, v_initializer="ones", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)

    def _local_term(self, x, statistics):
        instance_std = ops.sqrt(statistics.moments(x, "WH").variance + self.epsilon)
        return self._per_channel(self.v, x) * x + instance_std


@documentation.public_layer
class EvoNormB1(_EvoNormB):
    """EvoNorm-B1 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), (x + 1) * sqrt(mu_{w,h}(x^2))) * gamma + beta

    The batch variance is replaced by its moving average in inference. With `nonlinearity=False`
    the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _local_term(self, x, statistics):
        return (x + 1.0) * ops.sqrt(statistics.second_moment(x, "WH") + self.epsilon)


@documentation.public_layer
class EvoNormB2(_EvoNormB):
    """EvoNorm-B2 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), sqrt(mu_{w,h}(x^2)) - x) * gamma + beta

    The batch variance is replaced by its moving average in inference. With `nonlinearity=False`
    the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _local_term(self, x, statistics):
        moments = statistics.moments(x, "WH")
        mean, spread = moments.mean, moments.variance + self.epsilon
        root = ops.sqrt(spread + ops.square(mean))
        # root - mean as (root^2 - mean^2) / (root + mean): a large mean then costs no digits.
        positive_mean = ops.where(mean >= 0.0, mean, ops.zeros_like(mean))
        intercept = ops.where(mean >= 0.0, spread / (root + positive_mean), root - mean)
        return intercept - moments.center(x)
