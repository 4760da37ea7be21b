"""A fused layer's statistics, output and gradient in XLA programs; see `programs`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf import statistics
from evonorm_tf.programs import elementwise, number_of_slices, sums


def reduced(reduction: Any, x: tf.Tensor, axis: int) -> Any:
    """The statistics of x over its spatial axes."""
    return reduction.compiled(x)


def two_pass(x: tf.Tensor) -> statistics.Moments:
    """`statistics.two_pass` over the spatial axes, with the mean of a part of x as its shift.

    The part is an eighth of x where sizes allow. From the mean of one slice of s the true
    one is at most sqrt(s - 1) standard deviations away, which costs the variance three bits.
    """
    count = _count(x)
    part = tf.reshape(x, [-1, 1, count, x.shape[-1]])[:, :, : count // number_of_slices(count)]
    shift = _divided(sums(_identity, [part], []), _count(part))[0]
    shift = tf.reshape(shift, _small_shape(x))
    rest, square = _divided(sums(_deviation, [x], [shift]), count)
    return statistics.Moments(shift, rest, tf.maximum(square - tf.square(rest), 0.0))


def mean_of_squares(x: tf.Tensor) -> statistics.SecondMoment:
    """`statistics.mean_of_squares` over the spatial axes."""
    return statistics.SecondMoment(*_divided(sums(_square, [x], []), _count(x)))


def output(formula: Callable, x: tf.Tensor, found: Any, dtype: Any) -> tf.Tensor:
    """formula(x - shift, *values) in `dtype`."""
    return elementwise(_shifted_formula(formula), [x], [_shift(found), *found.values], dtype)


def backward(
    formula: Callable, x: tf.Tensor, found: Any, upstream: tf.Tensor
) -> tuple[list[tf.Tensor], Callable]:
    """The gradients for the values, and what makes the one for x of those for its statistics."""
    small = [_shift(found), *found.values]
    slopes: list[tf.Tensor] = []
    for first in range(0, len(found.values), 2):
        indices = tuple(range(first, min(first + 2, len(found.values))))
        slopes += sums(_slopes(formula, indices), [x, upstream], small)
    slopes = [_summed_like(value, slope) for value, slope in zip(found.values, slopes, strict=True)]

    def complete(of_statistics, known, above) -> tf.Tensor:
        kind: Any = type(known)
        piece = _input_gradient(formula, of_statistics, kind, len(small))
        return elementwise(piece, [x, upstream], [*small, *(known or ()), *above], x.dtype)

    return slopes, complete


@functools.cache
def _shifted_formula(formula: Callable) -> Callable:
    return lambda _, x, shift, *values: [formula(x - shift, *values)]


@functools.cache
def _slopes(formula: Callable, indices: tuple[int, ...]) -> Callable:
    """Of (x, upstream, shift, *values): the gradient for some values, element by element."""

    def piece(gradients, x, upstream, shift, *values):
        values = list(values)
        for index in indices:
            values[index] += tf.zeros_like(x)
        chosen = [values[index] for index in indices]
        return gradients(lambda: formula(x - shift, *values), chosen, upstream)

    return piece


@functools.cache
def _input_gradient(
    formula: Callable, of_statistics: Callable | None, kind: Any, num_small: int
) -> Callable:
    """Of (x, upstream, shift, *values, *reduced, *above): the gradient for x."""

    def piece(gradients, x, upstream, *small):
        shift, *values = small[:num_small]
        gradient = gradients(lambda: formula(x - shift, *values), [x], upstream)[0]
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


def _divided(totals: Sequence[tf.Tensor], count: int) -> list[tf.Tensor]:
    return [total / tf.cast(count, total.dtype) for total in totals]


def _count(x: tf.Tensor) -> int:
    return x.shape[1:-1].num_elements()


def _small_shape(x: tf.Tensor) -> list[int]:
    return [-1, *([1] * (x.shape.rank - 2)), x.shape[-1]]


def _shift(found: Any) -> tf.Tensor:
    return tf.zeros_like(found.values[0]) if found.shift is None else found.shift


def _summed_like(value: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """A sum for each example and channel, summed over what `value` has once."""
    if value.shape.rank == 1:
        return tf.reduce_sum(total, list(range(total.shape.rank - 1)))
    axes = [axis for axis in (0, -1) if value.shape[axis] == 1 and total.shape[axis] != 1]
    return tf.reduce_sum(total, axes, keepdims=True) if axes else total
