"""The batch-independent baselines GN, LayerNorm, PixelNorm and FRN (paper tables 4, 6, 8)."""

from keras import ops

from evonorm_tf.layers.arguments import documentation
from evonorm_tf.layers.portable import activated_norm, base, float64


class _SampleNorm(activated_norm.ActivatedNorm):
    """(x - mean) / sqrt(variance) over parts of an example."""

    _INDEX_SET: str

    def _normalized(self, x, statistics, training):
        moments = statistics.moments(x, self._INDEX_SET)
        return moments.center(x) / ops.sqrt(moments.variance + self.epsilon)


class _GroupNorm(base.ChannelGroups, _SampleNorm):
    """Over (w, h, c/g)."""

    _INDEX_SET = "WHCQ"


@documentation.public_layer
class GroupNormReLU(_GroupNorm):
    """Group normalization and ReLU (paper table 4).

        max(z, 0),  z = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is z.

    Weights: gamma, beta, each (channels,) and float32.
    """


@documentation.public_layer
class GroupNormSiLU(_GroupNorm, activated_norm.WithSiLU):
    """Group normalization and SiLU/Swish with a trainable slope (paper table 8).

        z * sigmoid(v * z),  z = (x - mu_{w,h,c/g}(x)) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is z.

    Weights: gamma, beta, v, each (channels,) and float32.
    """


@documentation.public_layer
class LayerNormReLU(_SampleNorm):
    """Layer normalization over (w, h, c) and ReLU (paper table 6).

        max((x - mu_{w,h,c}(x)) / sqrt(s^2_{w,h,c}(x)) * gamma + beta, 0)

    The same in training and in inference. With `nonlinearity=False` the ReLU is left out.

    Weights: gamma, beta, each (channels,) and float32.
    """

    _INDEX_SET = "WHC"


@documentation.public_layer
class PixelNormReLU(activated_norm.ActivatedNorm):
    """Pixel-wise normalization over the channels and ReLU (paper table 6).

        max(x / sqrt(mu_c(x^2)) * gamma + beta, 0)

    The same in training and in inference. With `nonlinearity=False` the ReLU is left out.

    Weights: gamma, beta, each (channels,) and float32.
    """

    def _normalized(self, x, statistics, training):
        # No mask: each position is normalized by itself.
        square = float64.mean(ops.square(x), [self.axis])
        return x / ops.sqrt(square + self.epsilon)


@documentation.public_layer
class FilterResponseNorm(activated_norm.ActivatedNorm):
    """Filter response normalization with a thresholded linear unit (paper table 4).

        max(x / sqrt(mu_{w,h}(x^2)) * gamma + beta, v)

    The threshold v is the v0 of the paper's formula; its default initializer is "zeros". The
    same in training and in inference. With `nonlinearity=False` the threshold is left out.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    _HAS_V = True
    ARGUMENTS = documentation.THRESHOLD_ARGUMENT

    def __init__(self, *, v_initializer="zeros", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)

    def _normalized(self, x, statistics, training):
        return x / ops.sqrt(statistics.second_moment(x, "WH") + self.epsilon)

    def _activated(self, z):
        return float64.maximum(z, self._per_channel(self.v, z))
