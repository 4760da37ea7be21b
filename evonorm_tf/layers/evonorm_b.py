"""The batch-dependent EvoNorms B0, B1 and B2 (paper tables 1 and 3)."""

import tensorflow as tf

from evonorm_tf.fused.computation import Coefficients
from evonorm_tf.layers import fused_layer
from evonorm_tf.layers.arguments import checks, documentation
from evonorm_tf.numerics import quantization, statistics


class _EvoNormB(fused_layer.FusedBatchNormAct):
    """x / max(batch_std, a local term) * gamma + beta."""

    _LINEAR_IS_AFFINE = True
    _MOVING = ("moving_variance",)

    @classmethod
    def _coefficients(cls, moments, context, *, gamma, beta, **v):
        variance = context.batch.choose(
            lambda elements: statistics.batch_moments(moments, elements).variance,
            lambda moving_variance: moving_variance,
        )
        local = cls._local_term(moments, context.epsilon, **v)
        batch_std = _root(variance, context.epsilon)
        # XLA programs sum the gradients of neighbours in pairs: v and the instance's standard
        # deviation, whose sums are expensive, share one; beta, the cheapest, is left without.
        values = {**local, "batch_std": batch_std, "gamma": gamma, "beta": beta}
        return Coefficients(values, observed=(variance,))

    @staticmethod
    def _local_term(instance: statistics.Moments, epsilon: float, **v) -> dict[str, tf.Tensor]:
        """The coefficients of the local term, by the names that the formula has for them."""
        raise NotImplementedError


def _root(moment: tf.Tensor, epsilon: float) -> tf.Tensor:
    return quantization.root(moment + epsilon)


@documentation.public_layer
class EvoNormB0(_EvoNormB):
    """EvoNorm-B0 (paper table 1): the strongest layer for large batches.

        x / max(sqrt(s^2_{b,w,h}(x)), v * x + sqrt(s^2_{w,h}(x))) * gamma + beta

    The batch variance is replaced by its moving average in inference; the instance
    variance always comes from the input. With `nonlinearity=False` the layer is
    x * gamma + beta. For small batches use EvoNormS0.

    Weights: gamma, beta, v, moving_variance, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.EvoNormB0()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    _HAS_V = True
    _CPU_KERNEL = "b0"
    ARGUMENTS = documentation.V_ARGUMENT

    def __init__(
        self,
        *,
        nonlinearity=True,
        axis=-1,
        epsilon=1e-5,
        momentum=0.9,
        synchronized=False,
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
    def formula(x, *, v, instance_std, batch_std, gamma, beta):
        """`x / max(batch_std, v * x + instance_std) * gamma + beta`."""
        divisor = tf.maximum(batch_std, v * x + instance_std)
        return quantization.over(x, divisor) * gamma + beta

    @staticmethod
    def _local_term(instance, epsilon, *, v):
        return {"v": v, "instance_std": _root(instance.variance, epsilon)}


@documentation.public_layer
class EvoNormB1(_EvoNormB):
    """EvoNorm-B1 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), (x + 1) * sqrt(mu_{w,h}(x^2))) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.EvoNormB1()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    @staticmethod
    def formula(x, *, instance_root, batch_std, gamma, beta):
        """`x / max(batch_std, (x + 1) * instance_root) * gamma + beta`."""
        divisor = tf.maximum(batch_std, (x + 1.0) * instance_root)
        return quantization.over(x, divisor) * gamma + beta

    @staticmethod
    def _local_term(instance, epsilon):
        return {"instance_root": _root(statistics.second_moment(instance), epsilon)}


@documentation.public_layer
class EvoNormB2(_EvoNormB):
    """EvoNorm-B2 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), sqrt(mu_{w,h}(x^2)) - x) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.EvoNormB2()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    @staticmethod
    def formula(z, *, intercept, batch_std, gamma, beta, shift):
        """The class's formula for z = x - shift, with the local term's value at z = 0."""
        divisor = tf.maximum(batch_std, intercept - z)
        return quantization.over(z + shift, divisor) * gamma + beta

    @classmethod
    def _coefficients(cls, moments, context, **weights):
        values, _, observed = super()._coefficients(moments, context, **weights)
        return Coefficients({**values, "shift": moments.shift}, moments.shift, observed)

    @staticmethod
    def _local_term(instance, epsilon):
        shift, rest, variance = instance
        root = _root(statistics.second_moment(instance), epsilon)
        if quantization.is_active():  # eight bits have no digits to lose
            return {"intercept": root - shift}
        # root - shift as (root^2 - shift^2) / (root + shift): a large mean then costs no digits.
        squares = variance + epsilon + rest * (2.0 * shift + rest)
        difference = tf.math.divide_no_nan(squares, root + tf.abs(shift))
        return {"intercept": tf.where(shift >= 0.0, difference, root - shift)}
