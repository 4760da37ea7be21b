"""`fused`: a layer as moments, small coefficients and one formula, with a gradient of its own.

What is kept for the backward pass is the layer's input and arrays of one value for each
example and channel. The formula's value and slopes are computed anew there, so that no
other array of the input's size waits for the gradient.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf import statistics


class Reduction(NamedTuple):
    """Which spatial statistics of the input the coefficients are made of.

    Attributes:
      compute: a named tuple of tensors from (x, axes).
      gradient: for x, from (x, that tuple, what comes from above for each of its tensors).
    """

    compute: Callable[..., Any]
    gradient: Callable[..., tf.Tensor]


MOMENTS = Reduction(statistics.two_pass, statistics.two_pass_gradient)
SECOND_MOMENT = Reduction(statistics.mean_of_squares, statistics.mean_of_squares_gradient)


class Coefficients(NamedTuple):
    """What a formula needs besides its input, each broadcastable to it.

    Attributes:
      values: the formula's arguments after x.
      shift: what is subtracted from x first, a constant for gradients; None for nothing.
      observed: moments of the batch that moving averages are to follow.
    """

    values: Sequence[tf.Tensor]
    shift: tf.Tensor | None = None
    observed: Sequence[tf.Tensor] = ()


def fused(
    formula: Callable[..., tf.Tensor],
    coefficients: Callable[..., Coefficients],
    reduction: Reduction | None,
    x: tf.Tensor,
    weights: Sequence[tf.Tensor],
    axis: int,
    dtype: Any,
) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
    """formula(x - shift, *values) in `dtype`, and what was observed.

    Args:
      formula: computes each element of its result from the same element of its arguments.
      coefficients: of (reduced x, *weights); is called once forward and once backward.
      reduction: reduces x over its spatial axes; None if the coefficients need no x.
      x: the layer's input, of any floating-point dtype; computed in `statistics_dtype`.
      weights: the layer's vectors, in the dtype that is computed in.
      axis: the channel axis.
      dtype: of the result.
    """

    @tf.custom_gradient
    def run(x, *weights):
        wide, *vectors = (statistics.frozen(tensor) for tensor in (_widened(x), *weights))
        reduced = None
        if reduction is not None:
            reduced = reduction.compute(wide, statistics.spatial_axes(x.shape.rank, axis))
        found = coefficients(reduced, *vectors)
        y = tf.cast(formula(_shifted(wide, found.shift), *found.values), dtype)

        def gradient(upstream, *_):
            # Without the dependency TensorFlow would find that both passes compute the same
            # values, and keep them from one to the other.
            with tf.control_dependencies([upstream]):
                again = _widened(tf.identity(x))
            upstream = tf.cast(upstream, again.dtype)
            pieces = (formula, coefficients, reduction)
            x_gradient, *rest = _gradient(*pieces, again, reduced, weights, upstream)
            return tf.cast(x_gradient, x.dtype), *rest

        return (y, *found.observed), gradient

    y, *observed = run(x, *weights)
    return y, observed


def _gradient(formula, coefficients, reduction, x, reduced, weights, upstream) -> list[tf.Tensor]:
    """The gradients for the input and the weights; differentiable once more."""
    sources = [*weights]
    if reduction is not None:
        reduced = statistics.known(x, reduced, reduction.gradient)
        sources += reduced
    with tf.GradientTape() as tape:
        tape.watch(sources)
        found = coefficients(reduced, *weights)
    x_gradient, *slopes = _elementwise_gradient(formula, x, found, upstream)
    zero = tf.UnconnectedGradients.ZERO
    small = tape.gradient(list(found.values), sources, slopes, unconnected_gradients=zero)
    if reduction is not None:
        x_gradient += reduction.gradient(x, reduced, small[len(weights) :])
    return [x_gradient, *small[: len(weights)]]


def _elementwise_gradient(formula, x, found: Coefficients, upstream) -> list[tf.Tensor]:
    """Gradients for x and for each coefficient, summed to the coefficient's shape."""
    values = list(found.values)
    with tf.GradientTape() as tape:
        tape.watch([x, *values])
        y = formula(_shifted(x, found.shift), *values)
    return tape.gradient(y, [x, *values], upstream)


def _widened(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, statistics.statistics_dtype(x.dtype))


def _shifted(x: tf.Tensor, shift: tf.Tensor | None) -> tf.Tensor:
    return x if shift is None else x - shift
