"""Formulas and coefficients that several layers share."""

import tensorflow as tf

from evonorm_tf.fused.computation import Coefficients
from evonorm_tf.numerics import logistic, quantization, statistics


def affine(x, *, scale, offset):
    """`x * scale + offset`."""
    return x * scale + offset


def affine_relu(x, *, scale, offset):
    """max(x * scale + offset, 0)."""
    return tf.nn.relu(x * scale + offset)


def affine_silu(x, *, scale, offset, v):
    """`z * sigmoid(v * z)`, z = x * scale + offset."""
    z = x * scale + offset
    return z * logistic.sigmoid(v * z)


def affine_threshold(x, *, scale, offset, v):
    """max(x * scale + offset, v)."""
    return tf.maximum(x * scale + offset, v)


def affine_coefficients(_moments, _context, *, gamma, beta) -> Coefficients:
    """Coefficients of x * gamma + beta."""
    return Coefficients({"scale": gamma, "offset": beta})


def normalized_coefficients(
    moments: statistics.Moments, epsilon: float, *, gamma, beta, **v: tf.Tensor
) -> Coefficients:
    """Coefficients of z = (x - mean) / sqrt(variance + epsilon) * gamma + beta."""
    scale = quantization.divider_by_root(moments.variance + epsilon)(gamma)
    values = {"scale": scale, "offset": beta - moments.rest * scale, **v}
    return Coefficients(values, shift=moments.shift)
