"""A fused layer's statistics, output and gradient in plain operations."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from evonorm_tf import statistics


def reduced(reduction: Any, x: tf.Tensor, axis: int) -> Any:
    """The statistics of x over its spatial axes."""
    return reduction.compute(_widened(x), statistics.spatial_axes(x.shape.rank, axis))


def output(formula: Callable, x: tf.Tensor, found: Any, dtype: Any) -> tf.Tensor:
    """formula(x - shift, *values) in `dtype`."""
    return tf.cast(formula(_shifted(_widened(x), found.shift), *found.values), dtype)


def backward(
    formula: Callable, x: tf.Tensor, found: Any, upstream: tf.Tensor
) -> tuple[list[tf.Tensor], Callable]:
    """The gradients for the values, and what makes the one for x of those for its statistics."""
    wide, values = _widened(x), list(found.values)
    with tf.GradientTape() as tape:
        tape.watch([wide, *values])
        y = formula(_shifted(wide, found.shift), *values)
    direct, *slopes = tape.gradient(y, [wide, *values], tf.cast(upstream, wide.dtype))

    def complete(of_statistics, known, above) -> tf.Tensor:
        indirect = 0.0 if of_statistics is None else of_statistics(wide, known, above)
        return tf.cast(direct + indirect, x.dtype)

    return slopes, complete


def _widened(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, statistics.statistics_dtype(x.dtype))


def _shifted(x: tf.Tensor, shift: tf.Tensor | None) -> tf.Tensor:
    return x if shift is None else x - shift
