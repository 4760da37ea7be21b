"""The batch-independent EvoNorms S0, S1 and S2 (paper table 4)."""

import tensorflow as tf

from evonorm_tf.fused.computation import SECOND_MOMENT, Coefficients
from evonorm_tf.layers import fused_layer, parts
from evonorm_tf.layers.arguments import checks, documentation
from evonorm_tf.numerics import logistic, quantization, statistics


class _EvoNormS(parts.ChannelGroups, fused_layer.FusedNormAct):
    """A sigmoid-weighted x over the root of a group moment, * gamma + beta."""

    _LINEAR_IS_AFFINE = True

    @staticmethod
    def formula(x, *, scale, beta):
        """`x * sigmoid(x) * scale + beta`, scale = gamma / root of the group moment."""
        return x * logistic.sigmoid(x) * scale + beta

    @classmethod
    def _coefficients(cls, moments, context, *, gamma, beta, **v):
        moment = cls._moment(moments, context)
        scale = quantization.divider_by_root(moment + context.epsilon)(gamma)
        return Coefficients({"scale": scale, **v, "beta": beta})

    @staticmethod
    def _moment(moments, context) -> tf.Tensor:
        return statistics.group_variance(moments, context.axis, context.groups)


@documentation.public_layer
class EvoNormS0(_EvoNormS):
    """EvoNorm-S0 (paper table 4): the strongest layer that needs no batch.

        x * sigmoid(v * x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta. Where a group's variance is small (1x1 maps with one channel a
    group), the divisor falls to sqrt(epsilon): use fewer groups there.

    Weights: gamma, beta, v, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.EvoNormS0()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    _HAS_V = True
    _CPU_KERNEL = "s0"
    ARGUMENTS = documentation.V_ARGUMENT

    def __init__(
        self,
        *,
        nonlinearity=True,
        axis=-1,
        epsilon=1e-5,
        groups=32,
        group_size=None,
        gamma_initializer="ones",
        beta_initializer="zeros",
        v_initializer="ones",
        gamma_regularizer=None,
        beta_regularizer=None,
        gamma_constraint=None,
        beta_constraint=None,
        **kwargs,
    ):
        super().__init__(**checks.arguments(locals()))

    @staticmethod
    def formula(x, *, scale, v, beta):
        """`x * sigmoid(v * x) * scale + beta`, scale = gamma / root of the group variance."""
        return x * logistic.sigmoid(v * x) * scale + beta


@documentation.public_layer
class EvoNormS1(_EvoNormS):
    """EvoNorm-S1 (paper table 4).

        x * sigmoid(x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.EvoNormS1()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """


@documentation.public_layer
class EvoNormS2(_EvoNormS):
    """EvoNorm-S2 (paper table 4).

        x * sigmoid(x) / sqrt(mu_{w,h,c/g}(x^2)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.EvoNormS2()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    def _reduction(self, context):
        return SECOND_MOMENT

    @staticmethod
    def _moment(moments, context):
        return statistics.group_mean(moments.square, context.axis, context.groups)
