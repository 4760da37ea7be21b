"""The quotient of EvoNorm-B, with a gradient that keeps its digits at large means."""

import tensorflow as tf

from evonorm_tf.numerics import quantization, statistics


def quotient(z: tf.Tensor, slope: tf.Tensor, intercept: tf.Tensor, shift=None) -> tf.Tensor:
    """(z + shift) / max(1, slope * z + intercept); without a shift z / max(1, ...).

    The gradient for z is upstream * (intercept - slope * shift) / divisor^2 where the divisor
    is above 1. Differentiation of the division would give the same as the difference of two
    large terms: 1 / divisor - slope * (z + shift) / divisor^2.
    """
    if quantization.is_active() or statistics.needs_plain(z, slope, intercept):
        return quantization.over(_numerator(z, shift), _divisor(slope * z + intercept))
    arguments = (z, slope, intercept) if shift is None else (z, slope, intercept, shift)

    @tf.custom_gradient
    def run(*arguments):
        constants = [statistics.frozen(argument) for argument in arguments]
        value = _numerator(constants[0], *constants[3:]) / _divisor(
            constants[1] * constants[0] + constants[2]
        )
        return value, lambda upstream: _gradients(upstream, *arguments)

    return run(*arguments)


def _gradients(upstream, z, slope, intercept, shift=None) -> list[tf.Tensor]:
    linear = slope * z + intercept
    at_zero = intercept if shift is None else intercept - slope * shift
    scaled = upstream / _divisor(linear)
    # The derivative of max(1, .) is 0 where its argument is at most 1, and the divisor is 1 there.
    varying = tf.where(linear > 1.0, scaled / _divisor(linear), tf.zeros_like(scaled))
    for_z = tf.where(linear > 1.0, varying * at_zero, scaled)
    for_linear = -varying * _numerator(z, shift)
    small = [_summed_like(slope, for_linear * z), _summed_like(intercept, for_linear)]
    return [for_z, *small] + ([] if shift is None else [_summed_like(shift, scaled)])


def _numerator(z: tf.Tensor, shift: tf.Tensor | None = None) -> tf.Tensor:
    return z if shift is None else z + shift


def _divisor(linear: tf.Tensor) -> tf.Tensor:
    return tf.maximum(tf.ones([], linear.dtype), linear)


def _summed_like(value: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Sums a gradient over the axes on which `value`, of equal rank, has been broadcast."""
    shapes = zip(value.shape, gradient.shape, strict=True)
    axes = [axis for axis, (one, other) in enumerate(shapes) if one == 1 and other != 1]
    return tf.reduce_sum(gradient, axes, keepdims=True) if axes else gradient
