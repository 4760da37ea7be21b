"""`PASSES`: the passes of `fused/keep_input.py` as XLA programs.

A computation with a cache key has one program for each pass. Without a key, for example where
replicas share statistics, its coefficients are plain operations between several programs.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import tensorflow as tf

from evonorm_tf.fused import computation as computations
from evonorm_tf.fused import keep_input
from evonorm_tf.fused.computation import Coefficients, Computation
from evonorm_tf.fused.vjp import value_and_vjp
from evonorm_tf.numerics import statistics
from evonorm_tf.xla.programs import graph_value_and_vjp
from evonorm_tf.xla_cpu import programs

Weights = Mapping[str, tf.Tensor]


def forward(
    computation: Computation, x: tf.Tensor, weights: Weights, dtype: tf.DType
) -> tuple[tf.Tensor, Any, Sequence[tf.Tensor]]:
    """`keep_input.forward` in one program or several."""
    key = computation.cache_key()
    if key is None:
        return _forward_in_parts(computation, x, weights, dtype)

    def whole(x, *vectors):
        moments = _moments(computation, x)
        named = dict(zip(weights, vectors, strict=True))
        coefficients = computation.coefficients(moments, computation.context, **named)
        rows, *small_rows = programs.rows_of([x, *_small(coefficients)], 1)
        shift, *values = map(programs.materialized, small_rows)
        y = computation.formula(rows - shift, **_named(tuple(coefficients.values), values))
        return programs.in_shape(x, y, dtype), moments, tuple(coefficients.observed)

    return programs.run((forward, key, tuple(weights), dtype), whole, [x, *weights.values()])


def _forward_in_parts(computation: Computation, x, weights: Weights, dtype):
    moments = None
    if computation.reduction is not None:
        compute = _COMPUTE[computation.reduction]
        moments = programs.run(compute, compute, [x])
    coefficients = computation.coefficients(moments, computation.context, **weights)
    kernel = _output(computation.formula, tuple(coefficients.values))
    y = programs.elementwise(kernel, [x], _small(coefficients), dtype)
    return y, moments, coefficients.observed


def backward(
    computation: Computation, x: tf.Tensor, moments: Any, weights: Weights, upstream: tf.Tensor
) -> list[tf.Tensor]:
    """`keep_input.backward` in one program or several."""
    key = computation.cache_key()
    if key is None:
        return _backward(value_and_vjp, computation, x, moments, weights, upstream)

    given = computation, moments, weights
    return programs.run_differentiable(
        keep_input.of_tensors(keep_input.backward, *given),
        (backward, key, tuple(weights)),
        keep_input.of_tensors(functools.partial(_backward, graph_value_and_vjp), *given),
        [x, upstream, *weights.values(), *(moments or ())],
    )


PASSES = keep_input.Passes(forward, backward)


def _backward(differentiate, computation: Computation, x, moments, weights, upstream) -> list:
    """The steps of `keep_input.backward`, with the work of x's size in programs."""
    reduction = computation.reduction
    if reduction is not None:
        moments = statistics.connected(statistics.widened(x), moments, reduction.gradient)
    coefficients, coefficients_vjp = differentiate(
        lambda: computation.coefficients(moments, computation.context, **weights),
        [*weights.values(), *(moments or ())],
    )
    value_gradients = _value_gradients(computation.formula, coefficients, x, upstream)
    gradients = coefficients_vjp([*coefficients.values.values()], value_gradients)
    weight_gradients, moment_gradients = gradients[: len(weights)], gradients[len(weights) :]
    names, moments_type = tuple(coefficients.values), cast(Any, type(moments))
    kernel = _x_gradient(computation.formula, names, reduction, moments_type)
    small = [*_small(coefficients), *(moments or ()), *moment_gradients]
    return [programs.elementwise(kernel, [x, upstream], small, x.dtype), *weight_gradients]


def _value_gradients(formula: Callable, coefficients: Coefficients, x, upstream) -> list:
    """The gradients for the coefficients' values, summed over the image in pairs.

    Each pair is a program: XLA would store what two loops of one program share as an array.
    """
    names, small = tuple(coefficients.values), _small(coefficients)
    pairs = [names[first : first + 2] for first in range(0, len(names), 2)]
    kernels = [_slopes(formula, names, pair) for pair in pairs]
    totals = [total for kernel in kernels for total in programs.sums(kernel, [x, upstream], small)]
    values = coefficients.values.values()
    return [_summed_like(value, total) for value, total in zip(values, totals, strict=True)]


@functools.cache
def _output(formula: Callable, names: tuple[str, ...]) -> programs.Kernel:
    """The kernel (x, shift, *values) -> y."""
    return lambda _, x, shift, *values: [formula(x - shift, **_named(names, values))]


@functools.cache
def _slopes(formula: Callable, names: tuple[str, ...], pair: tuple[str, ...]) -> programs.Kernel:
    """The kernel (x, upstream, shift, *values) -> gradients for a pair of values, unsummed."""

    def kernel(differentiate, x, upstream, shift, *values):
        named = _named(names, values)
        for name in pair:
            named[name] += tf.zeros_like(x)
        y, vjp = differentiate(lambda: formula(x - shift, **named), [named[name] for name in pair])
        return vjp(y, upstream)

    return kernel


@functools.cache
def _x_gradient(
    formula: Callable, names: tuple[str, ...], reduction: Any, moments_type: Any
) -> programs.Kernel:
    """The kernel (x, upstream, shift, *values, *moments, *their gradients) -> gradient for x."""

    def kernel(differentiate, x, upstream, shift, *small):
        values, rest = small[: len(names)], small[len(names) :]
        y, vjp = differentiate(lambda: formula(x - shift, **_named(names, values)), [x])
        (gradient,) = vjp(y, upstream)
        if reduction is not None:
            half = len(rest) // 2
            gradient += reduction.gradient(x, moments_type(*rest[:half]), rest[half:])
        return [gradient]

    return kernel


def two_pass(x: tf.Tensor) -> statistics.Moments:
    """Inside a program: `statistics.two_pass` over the spatial axes.

    The shift is the mean of one slice of x, of s slices. The mean of x is at most sqrt(s - 1)
    standard deviations from it, so at most three bits of the variance are lost.
    """
    rows = programs.rows_of([x], 1)
    count = rows[0].shape[1]
    first_slice = rows[0][:, : count // programs.number_of_slices(count)]
    shift = programs.sums_of_rows(_identity, [first_slice], [])[0] / first_slice.shape[1]
    rest, square = (s / count for s in programs.sums_of_rows(_deviation, rows, [shift]))
    moments = shift, rest, tf.maximum(square - tf.square(rest), 0.0)
    return statistics.Moments(*(programs.over_space(x, moment) for moment in moments))


def mean_of_squares(x: tf.Tensor) -> statistics.SecondMoment:
    """Inside a program: `statistics.mean_of_squares` over the spatial axes."""
    rows = programs.rows_of([x], 1)
    square = programs.sums_of_rows(_square, rows, [])[0] / rows[0].shape[1]
    return statistics.SecondMoment(programs.over_space(x, square))


_COMPUTE = {computations.MOMENTS: two_pass, computations.SECOND_MOMENT: mean_of_squares}


def _moments(computation: Computation, x: tf.Tensor) -> Any:
    return None if computation.reduction is None else _COMPUTE[computation.reduction](x)


def _identity(_, x):
    return [x]


def _square(_, x):
    return [tf.square(x)]


def _deviation(_, x, shift):
    deviation = x - shift
    return [deviation, tf.square(deviation)]


def _small(coefficients: Coefficients) -> list[tf.Tensor]:
    """The shift, zeros for none, and the values."""
    values, shift = [*coefficients.values.values()], coefficients.shift
    return [tf.zeros_like(values[0]) if shift is None else shift, *values]


def _named(names: Sequence[str], values: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
    return dict(zip(names, values, strict=True))


def _summed_like(value: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """Sums a total for each example and channel over the axes on which `value` has size 1."""
    if value.shape.rank == 1:
        return tf.reduce_sum(total, list(range(total.shape.rank - 1)))
    axes = [axis for axis in (0, -1) if value.shape[axis] == 1 and total.shape[axis] != 1]
    return tf.reduce_sum(total, axes, keepdims=True) if axes else total
