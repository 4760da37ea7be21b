"""The batch-independent baselines GN, LayerNorm, PixelNorm and FRN (paper tables 4, 6, 8)."""

import tensorflow as tf

from evonorm_tf.fused.computation import SECOND_MOMENT, Coefficients
from evonorm_tf.layers import base, formulas, fused_layer, parts
from evonorm_tf.layers.arguments import documentation
from evonorm_tf.numerics import quantization, statistics


class _SampleNorm(fused_layer.FusedNormAct):
    """z = (x - mean) / sqrt(variance) * gamma + beta over parts of an example, activated."""

    gamma_before_activation = True

    @classmethod
    def _coefficients(cls, moments, context, **weights):
        merged = cls._merged(moments, context)
        return formulas.normalized_coefficients(merged, context.epsilon, **weights)

    @staticmethod
    def _merged(instance: statistics.Moments, context) -> statistics.Moments:
        """The moments of the parts, which broadcast to x."""
        raise NotImplementedError


class _GroupNorm(parts.ChannelGroups, _SampleNorm):
    """Over (w, h, c/g)."""

    @staticmethod
    def _merged(instance, context):
        return statistics.group_moments(instance, context.axis, context.groups)


@documentation.public_layer
class GroupNormReLU(_GroupNorm):
    """Group normalization and ReLU (paper table 4).

        max(z, 0),  z = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is z.

    Weights: gamma, beta, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.GroupNormReLU()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    _CPU_KERNEL = "gn_relu"
    formula = staticmethod(formulas.affine_relu)


@documentation.public_layer
class GroupNormSiLU(_GroupNorm):
    """Group normalization and SiLU/Swish with a trainable slope (paper table 8).

        z * sigmoid(v * z),  z = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is z.

    Weights: gamma, beta, v, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.GroupNormSiLU()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    _HAS_V = True
    ARGUMENTS = documentation.V_ARGUMENT
    formula = staticmethod(formulas.affine_silu)

    def __init__(self, *, v_initializer="ones", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)


@documentation.public_layer
class LayerNormReLU(_SampleNorm):
    """Layer normalization over (w, h, c) and ReLU (paper table 6).

        max((x - mu_{w,h,c}(x)) / sqrt(s^2_{w,h,c}(x)) * gamma + beta, 0)

    The same in training and in inference. With `nonlinearity=False` the ReLU is left out.

    Weights: gamma, beta, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.LayerNormReLU()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    formula = staticmethod(formulas.affine_relu)

    @staticmethod
    def _merged(instance, context):
        return statistics.merge(instance, context.axis)


@documentation.public_layer
class PixelNormReLU(base.NormAct):
    """Pixel-wise normalization over the channels and ReLU (paper table 6).

        max(x / sqrt(mu_c(x^2)) * gamma + beta, 0)

    The same in training and in inference. With `nonlinearity=False` the ReLU is left out.

    Weights: gamma, beta, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.PixelNormReLU()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    gamma_before_activation = True
    formula = staticmethod(formulas.affine_relu)

    def _forward(self, x, training):
        square = statistics.pixel_second_moment(x, self.axis)
        z = self._affine(quantization.divider_by_root(square + self.epsilon)(x))
        return tf.nn.relu(z) if self.nonlinearity else z


@documentation.public_layer
class FilterResponseNorm(fused_layer.FusedNormAct):
    """Filter response normalization with a thresholded linear unit (paper table 4).

        max(x / sqrt(mu_{w,h}(x^2)) * gamma + beta, v)

    The threshold v is the v0 of the paper's formula; its default initializer is "zeros". The
    same in training and in inference. With `nonlinearity=False` the threshold is left out.

    Weights: gamma, beta, v, each (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.FilterResponseNorm()(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    gamma_before_activation = True
    _HAS_V = True
    ARGUMENTS = documentation.THRESHOLD_ARGUMENT
    formula = staticmethod(formulas.affine_threshold)

    def __init__(self, *, v_initializer="zeros", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)

    def _reduction(self, context):
        return SECOND_MOMENT

    @classmethod
    def _coefficients(cls, moments, context, *, gamma, beta, **v):
        scale = quantization.divider_by_root(moments.square + context.epsilon)(gamma)
        return Coefficients({"scale": scale, "offset": beta, **v})
