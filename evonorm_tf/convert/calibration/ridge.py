"""Refits a convolution or dense layer to its old outputs, by ridge regression."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf.convert.calibration.moments import Batches
from evonorm_tf.convert.folding import is_linear

# Rows for each unknown, with bounds; a row is the receptive field of one output.
_ROWS_FOR_EACH, _LEAST_ROWS, _MOST_ROWS = 10, 5_000, 40_000
# Relative to the mean square of the rows.
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_HELD_OUT = 0.2
# Unknowns of one output channel. The time to solve the equations grows with their cube.
_MOST_UNKNOWNS = 5_000


def can_refit(layer: Any) -> bool:
    """Whether this is a layer whose kernel can be refitted."""
    if not is_linear(layer):
        return False
    is_convolution = type(layer) is tf.keras.layers.Conv2D
    if is_convolution and (layer.groups != 1 or layer.data_format != "channels_last"):
        return False
    is_known = is_convolution or isinstance(layer, tf.keras.layers.Dense)
    return is_known and math.prod(layer.kernel.shape[:-1]) <= _MOST_UNKNOWNS


def refit(layer: Any, x: Batches, target: Batches) -> None:
    """Moves a layer's outputs towards a target by a small change of its kernel and bias.

    With the receptive fields p of outputs, as rows, and the residuals r = target - layer(x), the
    change of the kernel is

        D = argmin mean |r - p D|^2 + penalty * mean(p^2) * |D|^2,

    with p and r around their means if the layer has a bias. Several penalties are tried, and the
    one with the smallest error on held-out rows is taken. The layer stays as it is if none of them
    lowers that error.

    Args:
      layer: one that `can_refit` accepts.
      x: its inputs, in batches.
      target: the outputs to fit, in batches.
    """
    kernel, *bias = layer.get_weights()
    unknowns = math.prod(kernel.shape[:-1])
    rows, residuals = _rows(layer, x, target, unknowns)
    zeros = np.zeros(1, rows.dtype)
    row_mean, mean = (rows.mean(0), residuals.mean(0)) if bias else (zeros, zeros)
    change = _change(rows - row_mean, residuals - mean)
    if change is None:
        return
    weights = [kernel + change.reshape(kernel.shape)]
    if bias:
        weights.append(bias[0] + mean - row_mean @ change)
    layer.set_weights(weights)


def _rows(layer: Any, x: Batches, target: Batches, unknowns: int) -> tuple[np.ndarray, np.ndarray]:
    """The receptive fields of a random choice of outputs, and their residuals, in float32."""
    num_rows = min(max(_ROWS_FOR_EACH * unknowns, _LEAST_ROWS), _MOST_ROWS)
    rows_of_batch = math.ceil(num_rows / len(x))
    generator = np.random.default_rng(0)
    rows, residuals = [], []
    for batch, target_batch in zip(x, target, strict=True):
        residual = tf.cast(target_batch - layer(batch), tf.float32).numpy()
        residual = residual.reshape(-1, residual.shape[-1])
        fields = _receptive_fields(layer, tf.cast(batch, tf.float32))
        chosen = generator.permutation(len(residual))[:rows_of_batch]
        rows.append(tf.gather(tf.reshape(fields, [len(residual), -1]), chosen).numpy())
        residuals.append(residual[chosen])
    return np.concatenate(rows), np.concatenate(residuals)


def _receptive_fields(layer: Any, batch: tf.Tensor) -> tf.Tensor:
    """The receptive field of each output, in the order of the kernel."""
    if isinstance(layer, tf.keras.layers.Dense):
        return batch
    return tf.image.extract_patches(
        batch,
        sizes=[1, *layer.kernel_size, 1],
        strides=[1, *layer.strides, 1],
        rates=[1, *layer.dilation_rate, 1],
        padding=layer.padding.upper(),
    )


def _change(rows: np.ndarray, residuals: np.ndarray) -> np.ndarray | None:
    """The change of a kernel (unknowns, outputs); None if no penalty lowers the error."""
    first = round(_HELD_OUT * len(rows))
    (held_out, rows), (held_out_residuals, residuals) = (
        (array[:first], array[first:]) for array in (rows, residuals)
    )
    gram, product = rows.T @ rows / len(rows), rows.T @ residuals / len(rows)
    ridge = np.eye(len(gram), dtype=gram.dtype) * np.trace(gram) / len(gram)
    best, least = None, float(np.mean(np.square(held_out_residuals)))
    for penalty in _PENALTIES:
        change = np.linalg.solve(gram + penalty * ridge, product)
        error = float(np.mean(np.square(held_out_residuals - held_out @ change)))
        if error < least:
            best, least = change, error
    return best
