"""Fits the vectors of one norm-act layer to the outputs of the old network at its place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.convert import sources
from evonorm_tf.convert.calibration.moments import TINY, Batches, Moments

_VECTORS = ("v", "v0", "v1")
# Multiples of a vector's initial value; each channel takes the one that fits best.
_MULTIPLES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, -1.0)
_BATCHES_TO_CHOOSE = 4
_STEPS, _RATE = 40, 0.05


def fit(layer: Any, x: Batches, target: Batches) -> None:
    """Fits gamma, beta, v, v0, v1 and the moving averages of a layer.

    The error is the squared error of each channel, divided by the variance of the channel. Gamma
    and beta have a closed form where the layer ends with them. Each vector v first takes the best
    of a few multiples of its initial value, channel by channel, and is then trained by Adam.

    Args:
      layer: a layer of this package; afterwards it returns approximately `target` in inference.
      x: its inputs, in batches.
      target: the outputs to fit, in batches.
    """
    set_moving_averages(layer, x)
    if sources.form(layer) == "normalized":
        _set_affine_inside(layer, x, target)
    vectors = [v for v in (getattr(layer, name, None) for name in _VECTORS) if v is not None]
    for vector in vectors:
        _choose(layer, vector, x, target)
    _descend(layer, vectors, x, target)
    if sources.form(layer) != "normalized":
        _set_affine(layer, x, target)


def set_moving_averages(layer: Any, x: Batches) -> None:
    """Sets the moving averages of a layer, if it has any, to the mean over all batches."""
    if not hasattr(layer, "momentum"):
        return
    momentum, trainable = layer.momentum, layer.trainable
    layer.trainable = True  # a frozen layer is in inference
    for index, batch in enumerate(x):
        layer.momentum = index / (index + 1)
        layer(batch, training=tf.constant(True))  # no Python bool: it would compile a program
    layer.momentum, layer.trainable = momentum, trainable


def _set_affine(layer: Any, x: Batches, target: Batches) -> None:
    """Sets gamma and beta to their least squares solution."""
    layer.gamma.assign(tf.ones_like(layer.gamma))
    layer.beta.assign(tf.zeros_like(layer.beta))
    moments = Moments([layer(batch) for batch in x], target, layer.axis)
    gamma = moments.covariance / np.maximum(moments.variance, TINY)
    gamma[moments.variance <= TINY] = 0.0
    layer.gamma.assign(gamma.astype(np.float32))
    layer.beta.assign((moments.target_mean - gamma * moments.mean).astype(np.float32))


def _set_affine_inside(layer: Any, x: Batches, target: Batches) -> None:
    """Sets gamma and beta before an activation to their least squares solution without it."""
    config = {**layer.get_config(), "nonlinearity": False}
    linear = type(layer).from_config(config)
    linear.build(x[0].shape)
    set_moving_averages(linear, x)
    _set_affine(linear, x, target)
    layer.gamma.assign(linear.gamma)
    layer.beta.assign(linear.beta)


def _choose(layer: Any, vector: Any, x: Batches, target: Batches) -> None:
    """Gives each channel of a vector the multiple with which the output correlates most."""
    initial = np.asarray(vector)
    initial = np.where(initial == 0.0, 1.0, initial)  # v0 starts at 0
    tried = []
    for multiple in _MULTIPLES:
        vector.assign(multiple * initial)
        outputs = [layer(batch) for batch in x[:_BATCHES_TO_CHOOSE]]
        tried.append(Moments(outputs, target[:_BATCHES_TO_CHOOSE], layer.axis).correlation)
    best = np.argmax(np.nan_to_num(np.stack(tried), nan=-1.0), axis=0)
    vector.assign(np.array(_MULTIPLES, initial.dtype)[best] * initial)


def _descend(layer: Any, vectors: Sequence[Any], x: Batches, target: Batches) -> None:
    """Runs Adam on the weights without a closed form, and undoes it unless the error falls."""
    is_normalized = sources.form(layer) == "normalized"
    variables = [*vectors, layer.gamma, layer.beta] if is_normalized else vectors
    if not variables:
        return
    if not is_normalized:
        layer.gamma.assign(tf.ones_like(layer.gamma))
        layer.beta.assign(tf.zeros_like(layer.beta))
    loss = _squared_error if is_normalized else _lost_correlation
    scale = Moments(target, target, layer.axis).target_variance.astype(np.float32)

    def batch_loss(batch: tf.Tensor, target_batch: tf.Tensor) -> tf.Tensor:
        return loss(layer, layer(batch), target_batch, scale)

    def total() -> float:
        return sum(float(batch_loss(*pair)) for pair in zip(x, target, strict=True))

    start, at_start = [np.asarray(variable).copy() for variable in variables], total()
    optimizer = tf.keras.optimizers.Adam(_RATE)
    for step in range(_STEPS):
        with tf.GradientTape() as tape:
            value = batch_loss(x[step % len(x)], target[step % len(x)])
        gradients = tape.gradient(value, [compat.variable(v) for v in variables])
        finite = [tf.where(tf.math.is_finite(g), g, tf.zeros_like(g)) for g in gradients]
        optimizer.apply_gradients(zip(finite, variables, strict=True))
    if not total() < at_start:
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)


def _squared_error(layer: Any, y: tf.Tensor, target: tf.Tensor, scale: np.ndarray) -> tf.Tensor:
    y, target = tf.cast(y, tf.float32), tf.cast(target, tf.float32)
    weights = layer._aligned(tf.constant(1.0 / np.maximum(scale, 1e-6)), y)
    return tf.reduce_mean(tf.square(y - target) * weights)


def _lost_correlation(layer: Any, y: tf.Tensor, target: tf.Tensor, scale: np.ndarray) -> tf.Tensor:
    """1 minus the squared correlation: the error that the best gamma and beta leave."""
    axes = [a for a in range(y.shape.rank) if a != layer.axis % y.shape.rank]
    y, target = tf.cast(y, tf.float32), tf.cast(target, tf.float32)
    mean, variance = tf.nn.moments(y, axes)
    target_mean, target_variance = tf.nn.moments(target, axes)
    product = tf.reduce_mean(y * target, axes) - mean * target_mean
    share = tf.square(product) / (variance * target_variance + 1e-9)
    return tf.reduce_mean(1.0 - tf.where(scale > 1e-9, share, tf.ones_like(share)))
