"""The batch-dependent baselines BN-ReLU and BN-SiLU (paper table 3)."""

import tensorflow as tf

from evonorm_tf.fused.computation import MOMENTS
from evonorm_tf.layers import formulas, fused_layer
from evonorm_tf.layers.arguments import documentation
from evonorm_tf.numerics import statistics


class _BatchNorm(fused_layer.FusedBatchNormAct):
    """z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta, and an activation."""

    gamma_before_activation = True
    _MOVING = ("moving_mean", "moving_variance")

    def _reduction(self, context):
        return None if context.batch.training is False else MOMENTS

    @classmethod
    def _coefficients(cls, moments, context, **weights):
        batch = context.batch.choose(
            lambda elements: statistics.batch_moments(moments, elements),
            lambda mean, variance: statistics.Moments(mean, tf.zeros_like(mean), variance),
        )
        coefficients = formulas.normalized_coefficients(batch, context.epsilon, **weights)
        return coefficients._replace(observed=(batch.mean, batch.variance))


@documentation.public_layer
class BatchNormReLU(_BatchNorm):
    """Batch normalization and ReLU (paper table 3), the baseline.

        max(z, 0),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z. As in the EvoNorms and Keras 3, the moving
    variance follows the biased batch variance.

    Weights: gamma, beta, moving_mean, moving_variance, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.BatchNormReLU()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    formula = staticmethod(formulas.affine_relu)


@documentation.public_layer
class BatchNormSiLU(_BatchNorm):
    """Batch normalization and SiLU/Swish with a trainable slope (paper table 3).

        z * sigmoid(v * z),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z.

    Weights: gamma, beta, v, moving_mean, moving_variance, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.BatchNormSiLU()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    _HAS_V = True
    ARGUMENTS = documentation.V_ARGUMENT
    formula = staticmethod(formulas.affine_silu)

    def __init__(self, *, v_initializer="ones", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)
