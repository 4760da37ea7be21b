"""The batch-dependent EvoNorms B0, B1 and B2 (paper tables 1 and 3)."""

import tensorflow as tf

from evonorm_tf.fused import keep_input
from evonorm_tf.layers import base, fused_layer, parts
from evonorm_tf.numerics import statistics


class _EvoNormB(fused_layer.FusedBatchNormAct):
    """x / max(b, slope * x + local) * gamma + beta, b the batch's standard deviation."""

    _LINEAR_IS_AFFINE = True
    _MOVING = ("moving_variance",)

    def _formula(self):
        return _rational

    def _coefficients(self, moments, x, training, gamma, beta, *v):
        variance = self._by_mode(
            lambda: self._batch_moments(moments, x).variance,
            lambda: self._per_channel(self.moving_variance, x),
            training,
        )
        batch = tf.sqrt(variance + self.epsilon)
        slope, local = self._local_term(moments, *v)
        # All over b, which needs no sum of its own for its gradient then.
        values = slope / batch, local / batch, gamma / batch, beta
        return keep_input.Coefficients(values, observed=(variance,))

    def _local_term(self, instance: statistics.Moments, *v) -> tuple:
        """Slope and value at x = 0 of what the batch's standard deviation is compared with."""
        raise NotImplementedError

    def _root(self, moment: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(moment + self.epsilon)


def _divisor(x, slope, local):
    return tf.maximum(tf.ones([], x.dtype), slope * x + local)


def _rational(x, slope, local, scale, offset):
    return x / _divisor(x, slope, local) * scale + offset


def _rational_about_shift(z, slope, local, scale, offset, shift):
    """`_rational` of x = z + shift, with the value of the local term at z = 0."""
    return (z + shift) / _divisor(z, slope, local) * scale + offset


@base.public_layer
class EvoNormB0(parts.TrainableV, _EvoNormB):
    """EvoNorm-B0 (paper table 1): the strongest layer for large batches.

        x / max(sqrt(s^2_{b,w,h}(x)), v * x + sqrt(s^2_{w,h}(x))) * gamma + beta

    The batch variance is replaced by its moving average in inference; the instance
    variance always comes from the input. With `nonlinearity=False` the layer is
    x * gamma + beta. For small batches use EvoNormS0.

    Weights: gamma, beta, v, moving_variance, each (channels,) and float32.
    """

    def _local_term(self, instance, v):
        return v, self._root(instance.variance)


@base.public_layer
class EvoNormB1(_EvoNormB):
    """EvoNorm-B1 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), (x + 1) * sqrt(mu_{w,h}(x^2))) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _local_term(self, instance):
        root = self._root(statistics.second_moment(instance))
        return root, root


@base.public_layer
class EvoNormB2(_EvoNormB):
    """EvoNorm-B2 (paper table 3).

        x / max(sqrt(s^2_{b,w,h}(x)), sqrt(mu_{w,h}(x^2)) - x) * gamma + beta

    The batch variance is replaced by its moving average in inference. With
    `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta, moving_variance, each (channels,) and float32.
    """

    def _formula(self):
        return _rational_about_shift

    def _coefficients(self, moments, x, training, gamma, beta):
        found = super()._coefficients(moments, x, training, gamma, beta)
        return found._replace(values=(*found.values, moments.shift), shift=moments.shift)

    def _local_term(self, instance):
        root = self._root(statistics.second_moment(instance))
        return -tf.ones_like(root), self._less_shift(root, instance)

    def _less_shift(self, root: tf.Tensor, instance: statistics.Moments) -> tf.Tensor:
        """root - shift, of which a large mean takes no digits: (root^2 - shift^2) / sum."""
        shift, rest, variance = instance
        squares = variance + self.epsilon + rest * (2.0 * shift + rest)
        quotient = tf.math.divide_no_nan(squares, root + tf.abs(shift))
        return tf.where(shift >= 0.0, quotient, root - shift)
