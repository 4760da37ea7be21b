"""`keep_input`: a layer whose backward pass keeps x and small arrays from the forward pass.

The small arrays have one value for each example and channel. The backward pass computes the
formula once more from x, so that no other array of x's size stays in memory until then.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.fused.computation import Computation
from evonorm_tf.fused.vjp import value_and_vjp
from evonorm_tf.numerics import statistics

Weights = Mapping[str, tf.Tensor]


class Passes(NamedTuple):
    """An implementation of both passes, with the signatures of `forward` and `backward` below."""

    forward: Callable[..., tuple[tf.Tensor, Any, Sequence[tf.Tensor]]]
    backward: Callable[..., list[tf.Tensor]]


def forward(
    computation: Computation, x: tf.Tensor, weights: Weights, dtype: tf.DType
) -> tuple[tf.Tensor, Any, Sequence[tf.Tensor]]:
    """Returns y in `dtype`, the moments of x, and the observed batch statistics."""
    moments = computation.moments(x)
    coefficients = computation.coefficients(moments, computation.context, **weights)
    y = computation.output(statistics.widened(x), coefficients)
    return tf.cast(y, dtype), moments, coefficients.observed


def backward(
    computation: Computation, x: tf.Tensor, moments: Any, weights: Weights, upstream: tf.Tensor
) -> list[tf.Tensor]:
    """Returns the gradients for x and for each weight; a tape can differentiate them again."""
    reduction, wide_x = computation.reduction, statistics.widened(x)
    if reduction is not None:
        moments = statistics.connected(wide_x, moments, reduction.gradient)
    coefficients, coefficients_vjp = value_and_vjp(
        lambda: computation.coefficients(moments, computation.context, **weights),
        [*weights.values(), *(moments or ())],
    )
    values = [*coefficients.values.values()]
    y, formula_vjp = value_and_vjp(
        lambda: computation.output(wide_x, coefficients), [wide_x, *values]
    )
    x_gradient, *value_gradients = formula_vjp(y, tf.cast(upstream, wide_x.dtype))
    gradients = coefficients_vjp(values, value_gradients)
    weight_gradients, moment_gradients = gradients[: len(weights)], gradients[len(weights) :]
    through_moments: Any = 0.0
    if reduction is not None:
        through_moments = reduction.gradient(wide_x, moments, moment_gradients)
    return [tf.cast(x_gradient + through_moments, x.dtype), *weight_gradients]


PLAIN = Passes(forward, backward)


def of_tensors(
    backward: Callable[..., list[tf.Tensor]],
    computation: Computation,
    moments: Any,
    weights: Weights,
) -> Callable[..., list[tf.Tensor]]:
    """A backward pass as a function of x, upstream, and the weights and moments in their order."""

    def run(x, upstream, *small):
        named = dict(zip(weights, small, strict=False))
        rest = small[len(weights) :]
        of_x = None if moments is None else type(moments)(*rest)
        return backward(computation, x, of_x, named, upstream)

    return run


def keep_input(
    computation: Computation, x: tf.Tensor, weights: Weights, dtype: Any, passes: Passes = PLAIN
) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
    """Runs a computation with a gradient of its own.

    Args:
      computation: what to compute.
      x: the layer's input, of any floating-point dtype; both passes cast it to `statistics_dtype`.
      weights: the layer's vectors by name, broadcastable to x, in the dtype of the computation.
      dtype: of the result.
      passes: how to compute both passes.

    Returns:
      y, and the batch statistics that moving averages follow.
    """
    dtype = tf.as_dtype(dtype)
    if statistics.needs_plain(x, *weights.values()):
        y, _, observed = forward(computation, x, weights, dtype)
        return y, observed

    @tf.custom_gradient
    def run(x, *vectors):
        constants = {name: statistics.frozen(v) for name, v in zip(weights, vectors, strict=True)}
        y, moments, observed = passes.forward(computation, statistics.frozen(x), constants, dtype)

        def gradient(upstream, *_):
            # Without this dependency TensorFlow would find that both passes compute the same
            # arrays, and would keep those of the forward pass.
            with tf.control_dependencies([upstream]):
                kept_x = tf.identity(x)
            named = dict(zip(weights, vectors, strict=True))
            return passes.backward(computation, kept_x, moments, named, upstream)

        return (y, *observed), gradient

    y, *observed = run(x, *weights.values())
    return y, observed
