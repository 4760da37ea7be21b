"""The batch-dependent baselines BN-ReLU and BN-SiLU (paper table 3)."""

from keras import ops

from evonorm_tf.layers.arguments import documentation
from evonorm_tf.layers.portable import activated_norm, base


class _BatchNorm(base.BatchNormAct, activated_norm.ActivatedNorm):
    """Over (b, w, h)."""

    _MOVING = ("moving_mean", "moving_variance")

    def _normalized(self, x, statistics, training):
        moments = self._batch_moments(x, statistics, training)
        return moments.center(x) / ops.sqrt(moments.variance + self.epsilon)


@documentation.public_layer
class BatchNormReLU(_BatchNorm):
    """Batch normalization and ReLU (paper table 3), the baseline.

        max(z, 0),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z. The moving variance follows the biased batch variance.

    Weights: gamma, beta, moving_mean, moving_variance, each (channels,) and float32.
    """


@documentation.public_layer
class BatchNormSiLU(_BatchNorm, activated_norm.WithSiLU):
    """Batch normalization and SiLU/Swish with a trainable slope (paper table 3).

        z * sigmoid(v * z),  z = (x - mu_{b,w,h}(x)) / sqrt(s^2_{b,w,h}(x)) * gamma + beta

    Mean and variance are replaced by their moving averages in inference. With
    `nonlinearity=False` the layer is z.

    Weights: gamma, beta, v, moving_mean, moving_variance, each (channels,) and float32.
    """
