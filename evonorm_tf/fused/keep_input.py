"""`fused`: a layer as moments, small coefficients and one formula, with a gradient of its own.

What is kept for the backward pass is the layer's input and arrays of one value for each
example and channel. The formula's value and slopes are computed anew there, so that no
other array of the input's size waits for the gradient.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.fused import plain, vjp
from evonorm_tf.numerics import statistics
from evonorm_tf.xla_cpu import passes, programs


class Reduction(NamedTuple):
    """Which spatial statistics of the input the coefficients are made of.

    Attributes:
      compute: a named tuple of tensors from (x, axes).
      gradient: for x, from (x, that tuple, what comes from above for each of its tensors).
      compiled: the same as `compute` inside of an XLA program, from x.
    """

    compute: Callable[..., Any]
    gradient: Callable[..., tf.Tensor]
    compiled: Callable[..., Any]


MOMENTS = Reduction(statistics.moments, statistics.two_pass_gradient, passes.two_pass)
SECOND_MOMENT = Reduction(
    statistics.mean_of_squares, statistics.mean_of_squares_gradient, passes.mean_of_squares
)


class Coefficients(NamedTuple):
    """What a formula needs besides its input, each broadcastable to it.

    Attributes:
      values: the formula's arguments after x. Those whose slopes have work in common are
        best neighbours, from an even place on.
      shift: what is subtracted from x first, a constant for gradients; None for nothing.
      observed: moments of the batch that moving averages are to follow.
    """

    values: Sequence[tf.Tensor]
    shift: tf.Tensor | None = None
    observed: Sequence[tf.Tensor] = ()


class Recipe(NamedTuple):
    """How a layer computes.

    Attributes:
      formula: each element of its result from the same element of (x - shift, *values).
      coefficients: of (reduced x, *weights).
      reduction: reduces x over its spatial axes; None if the coefficients need no x.
      axis: the channel axis.
      rule: equal where `coefficients` compute the same, which then share programs; None
        where they depend on more than their arguments and it.
    """

    formula: Callable[..., tf.Tensor]
    coefficients: Callable[..., Coefficients]
    reduction: Reduction | None
    axis: int
    rule: Hashable | None = None


def fused(
    recipe: Recipe, x: tf.Tensor, weights: Sequence[tf.Tensor], dtype: Any, training: Any = None
) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
    """formula(x - shift, *values) in `dtype`, and what was observed.

    Args:
      recipe: what to compute.
      x: the layer's input, of any floating-point dtype; computed in `statistics_dtype`.
      weights: the layer's vectors, in the dtype that is computed in.
      dtype: of the result.
      training: where it is True and `programs.suits`, XLA compiles what is as large as x.
    """
    if statistics.needs_plain(x, *weights):
        y, _, observed = plain.forward(recipe, x, weights, tf.as_dtype(dtype))
        return y, observed
    parts = passes if training is True and programs.suits(x, recipe.axis) else plain

    @tf.custom_gradient
    def run(x, *weights):
        known, *vectors = (statistics.frozen(tensor) for tensor in (x, *weights))
        y, reduced, observed = parts.forward(recipe, known, vectors, tf.as_dtype(dtype))

        def gradient(upstream, *_):
            # Without the dependency TensorFlow would find that both passes compute the same
            # values, and keep them from one to the other.
            with tf.control_dependencies([upstream]):
                again = tf.identity(x)
            if parts is passes and recipe.rule is not None:
                return _gradient_program(recipe, again, reduced, weights, upstream)
            recorded = vjp.recorded
            return _gradient(parts, recorded, recipe, again, reduced, weights, upstream)

        return (y, *observed), gradient

    y, *observed = run(x, *weights)
    return y, observed


def _gradient(parts, differentiated, recipe, x, reduced, weights, upstream) -> list:
    """The gradients for the input and the weights; differentiable once more."""
    sources, of_statistics = [*weights], None
    if recipe.reduction is not None:
        of_statistics = recipe.reduction.gradient
        wide = statistics.widened(x)
        reduced = statistics.known(wide, reduced, of_statistics)
        sources += reduced
    found, gradients = differentiated(lambda: recipe.coefficients(reduced, *weights), sources)
    slopes, complete = parts.backward(recipe.formula, x, found, upstream)
    small = gradients(list(found.values), slopes)
    count = len(weights)
    return [complete(of_statistics, reduced, small[count:]), *small[:count]]


def _gradient_program(recipe, x, reduced, weights, upstream) -> list:
    """`_gradient` as one program, for recipes with a rule."""
    kind, count = type(reduced), len(weights)

    def by(parts, differentiated):
        def whole(x, upstream, *small):
            known = None if reduced is None else kind(*small[count:])
            return _gradient(parts, differentiated, recipe, x, known, small[:count], upstream)

        return whole

    return programs.computed(
        by(plain, vjp.recorded),
        (_gradient, recipe.formula, recipe.reduction, recipe.rule),
        by(passes, vjp.symbolic),
        [x, upstream, *weights, *(reduced or ())],
    )
