"""A fused layer's statistics, output and gradient in plain operations."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.fused import vjp
from evonorm_tf.numerics import statistics


def forward(
    recipe: Any, x: tf.Tensor, weights: Sequence[tf.Tensor], dtype: Any
) -> tuple[tf.Tensor, Any, Sequence[tf.Tensor]]:
    """formula(x - shift, *values) in `dtype`, the statistics of x, and what was observed."""
    wide, reduced = statistics.widened(x), None
    if recipe.reduction is not None:
        axes = statistics.spatial_axes(x.shape.rank, recipe.axis)
        reduced = recipe.reduction.compute(x, axes)
    found = recipe.coefficients(reduced, *weights)
    y = recipe.formula(_shifted(wide, found.shift), *found.values)
    return tf.cast(y, dtype), reduced, found.observed


def backward(
    formula: Callable, x: tf.Tensor, found: Any, upstream: tf.Tensor
) -> tuple[list[tf.Tensor], Callable]:
    """The gradients for the values, and what makes the one for x of those for its statistics."""
    wide, values = statistics.widened(x), list(found.values)
    y, gradients = vjp.recorded(
        lambda: formula(_shifted(wide, found.shift), *values), [wide, *values]
    )
    direct, *slopes = gradients(y, tf.cast(upstream, wide.dtype))

    def complete(of_statistics, known, above) -> tf.Tensor:
        indirect = 0.0 if of_statistics is None else of_statistics(wide, known, above)
        return tf.cast(direct + indirect, x.dtype)

    return slopes, complete


def _shifted(x: tf.Tensor, shift: tf.Tensor | None) -> tf.Tensor:
    return x if shift is None else x - shift
