"""A fused layer's statistics, output and gradient in XLA programs; see `programs`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.numerics import statistics
from evonorm_tf.xla_cpu import programs


def forward(
    recipe: Any, x: tf.Tensor, weights: Sequence[tf.Tensor], dtype: Any
) -> tuple[tf.Tensor, Any, Sequence[tf.Tensor]]:
    """formula(x - shift, *values) in `dtype`, the statistics of x, and what was observed."""
    formula, coefficients, reduction, _, rule = recipe

    def whole(x, *weights):
        reduced = None if reduction is None else reduction.compiled(x)
        found = coefficients(reduced, *weights)
        rows, *small = programs.rows_of([x, _shift(found), *found.values], 1)
        shift, *values = (
            row if row.shape.rank == 1 else programs.computed_once(row) for row in small
        )
        y = programs.in_shape(x, formula(rows - shift, *values), dtype)
        return y, reduced, tuple(found.observed)

    if rule is not None:
        return programs.run((forward, formula, reduction, rule, dtype), whole, [x, *weights])
    reduced = None
    if reduction is not None:
        reduced = programs.run(reduction.compiled, reduction.compiled, [x])
    found = coefficients(reduced, *weights)
    small = [_shift(found), *found.values]
    y = programs.elementwise(_shifted_formula(formula), [x], small, dtype)
    return y, reduced, found.observed


def two_pass(x: tf.Tensor) -> statistics.Moments:
    """Inside of a program, `statistics.two_pass` over the spatial axes.

    The shift is the mean of a part of x, an eighth where sizes allow. From the mean of one
    slice of s the true one is at most sqrt(s - 1) standard deviations away, which costs the
    variance three bits.
    """
    rows = programs.rows_of([x], 1)
    count = rows[0].shape[1]
    part = rows[0][:, : count // programs.number_of_slices(count)]
    shift = programs.sums_of_rows(_identity, [part], [])[0] / part.shape[1]
    rest, square = (s / count for s in programs.sums_of_rows(_deviation, rows, [shift]))
    moments = shift, rest, tf.maximum(square - tf.square(rest), 0.0)
    return statistics.Moments(*(programs.over_space(x, part) for part in moments))


def mean_of_squares(x: tf.Tensor) -> statistics.SecondMoment:
    """Inside of a program, `statistics.mean_of_squares` over the spatial axes."""
    rows = programs.rows_of([x], 1)
    square = programs.sums_of_rows(_square, rows, [])[0] / rows[0].shape[1]
    return statistics.SecondMoment(programs.over_space(x, square))


def backward(
    formula: Callable, x: tf.Tensor, found: Any, upstream: tf.Tensor
) -> tuple[list[tf.Tensor], Callable]:
    """The gradients for the values, and what makes the one for x of those for its statistics."""
    small = [_shift(found), *found.values]
    indices = range(len(found.values))
    pieces = [_slopes(formula, tuple(indices[first : first + 2])) for first in indices[::2]]
    # A program each: of what two loops share, XLA would make an array for both.
    slopes = [slope for piece in pieces for slope in programs.sums(piece, [x, upstream], small)]
    slopes = [_summed_like(value, slope) for value, slope in zip(found.values, slopes, strict=True)]

    def complete(of_statistics, known, above) -> tf.Tensor:
        kind: Any = type(known)
        piece = _input_gradient(formula, of_statistics, kind, len(small))
        return programs.elementwise(piece, [x, upstream], [*small, *(known or ()), *above], x.dtype)

    return slopes, complete


@functools.cache
def _shifted_formula(formula: Callable) -> Callable:
    return lambda _, x, shift, *values: [formula(x - shift, *values)]


@functools.cache
def _slopes(formula: Callable, indices: tuple[int, ...]) -> Callable:
    """Of (x, upstream, shift, *values): the gradient for some values, element by element."""

    def piece(differentiated, x, upstream, shift, *values):
        values = list(values)
        for index in indices:
            values[index] += tf.zeros_like(x)
        chosen = [values[index] for index in indices]
        y, gradients = differentiated(lambda: formula(x - shift, *values), chosen)
        return gradients(y, upstream)

    return piece


@functools.cache
def _input_gradient(
    formula: Callable, of_statistics: Callable | None, kind: Any, num_small: int
) -> Callable:
    """Of (x, upstream, shift, *values, *reduced, *above): the gradient for x."""

    def piece(differentiated, x, upstream, *small):
        shift, *values = small[:num_small]
        y, gradients = differentiated(lambda: formula(x - shift, *values), [x])
        (gradient,) = gradients(y, upstream)
        if of_statistics is not None:
            half = (len(small) - num_small) // 2
            reduced, above = small[num_small:][:half], small[num_small:][half:]
            gradient += of_statistics(x, kind(*reduced), above)
        return [gradient]

    return piece


def _identity(_, x):
    return [x]


def _square(_, x):
    return [tf.square(x)]


def _deviation(_, x, shift):
    deviation = x - shift
    return [deviation, tf.square(deviation)]


def _shift(found: Any) -> tf.Tensor:
    return tf.zeros_like(found.values[0]) if found.shift is None else found.shift


def _summed_like(value: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """A sum for each example and channel, summed over what `value` has once."""
    if value.shape.rank == 1:
        return tf.reduce_sum(total, list(range(total.shape.rank - 1)))
    axes = [axis for axis in (0, -1) if value.shape[axis] == 1 and total.shape[axis] != 1]
    return tf.reduce_sum(total, axes, keepdims=True) if axes else total
