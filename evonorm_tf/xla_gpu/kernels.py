"""What XLA makes kernels of on GPUs: sums over the image, and element-wise work with them.

XLA estimates whether it gains by computing a sum's terms in the kernel of the sum, and else stores
them as an array of x's size. It also stores what several kernels share. So two sums are one sum of
complex numbers, whose terms one kernel computes, and an optimization barrier keeps kernels from
sharing work. A kernel holds no more than two sums over the image: XLA estimates 16.5 KiB of shared
memory for each, with channels last, and has 48 KiB.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.fused.computation import MOMENTS, Coefficients, Computation
from evonorm_tf.numerics import quantization, statistics
from evonorm_tf.xla.programs import graph_value_and_vjp

# A sample has every eighth place along each spatial axis.
_STRIDE = 8
# Of bfloat16, XLA stores the terms of more sums as float32: 18 array passes for EvoNorm-B0
# compiled for an H100, and 14 without pairs.
_MOST_BFLOAT16_SUMS = 3


def moments(computation: Computation, x: tf.Tensor) -> Any:
    """The moments of a computation with a reduction, from one pass over x."""
    axes = statistics.spatial_axes(x.shape.rank, computation.context.axis)
    if computation.reduction == MOMENTS and x.dtype != tf.bfloat16:
        return shifted_pass(statistics.widened(x), axes)
    return computation.moments(x)


def shifted_pass(x: tf.Tensor, axes: Sequence[int]) -> statistics.Moments:
    """`statistics.two_pass` in one pass, after a sample of x.

    The shift is the mean of a sample, one of s elements. The mean of x is at most sqrt(s - 1)
    standard deviations from it, so the variance loses log2(s) bits at most: six of an image.
    """
    places = [slice(None, None, _STRIDE if i in axes else None) for i in range(x.shape.rank)]
    shift = tf.reduce_mean(x[tuple(places)], axes, keepdims=True)
    deviation = x - shift
    count = tf.cast(tf.size(x) / tf.size(shift), x.dtype)
    sums = _sums([deviation, quantization.square(deviation)], axes)
    rest, square = (total / count for total in sums)
    return statistics.Moments(shift, rest, tf.maximum(square - quantization.square(rest), 0.0))


def has_pairs(x: tf.Tensor, count: int) -> bool:
    """Whether the sums of a backward pass over x, this many, should be computed in pairs."""
    return x.dtype != tf.bfloat16 or count <= _MOST_BFLOAT16_SUMS


def value_gradients(
    computation: Computation,
    coefficients: Coefficients,
    names: Sequence[str],
    x: tf.Tensor,
    upstream: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """The gradients for the coefficients' values of these names, summed in pairs."""
    axes = statistics.spatial_axes(x.shape.rank, computation.context.axis)
    totals: dict[str, tf.Tensor] = {}
    for first in range(0, len(names), 2):
        pair = names[first : first + 2]
        sums = _sums(_slopes(computation, coefficients, pair, x, upstream), axes)
        for name, total in zip(pair, sums, strict=True):
            totals[name] = _summed_like(coefficients.values[name], total)
    return totals


def _slopes(computation, coefficients: Coefficients, pair, x, upstream) -> list[tf.Tensor]:
    """The gradients for a pair of values, of each element."""
    wide_x = statistics.widened(x)
    named = dict(coefficients.values)
    for name in pair:
        named[name] += tf.zeros_like(wide_x)
    y, vjp = graph_value_and_vjp(
        lambda: computation.output(wide_x, coefficients._replace(values=named)),
        [named[name] for name in pair],
    )
    return vjp(y, tf.cast(upstream, y.dtype))


def gradients(
    computation: Computation, coefficients: Coefficients, x: tf.Tensor, upstream: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The gradient for the formula's x, and those for the coefficients' values by name."""
    wide_x = statistics.widened(x)
    # A value may be made of others; here each counts as independent.
    named = {name: tf.identity(value) for name, value in coefficients.values.items()}
    y, vjp = graph_value_and_vjp(
        lambda: computation.output(wide_x, coefficients._replace(values=named)),
        [wide_x, *named.values()],
    )
    gradient, *totals = vjp(y, tf.cast(upstream, y.dtype))
    return gradient, dict(zip(named, totals, strict=True))


def _sums(arrays: Sequence[tf.Tensor], axes: Sequence[int]) -> list[tf.Tensor]:
    """The sums of one array or two."""
    if len(arrays) == 1:
        return [tf.reduce_sum(arrays[0], axes, keepdims=True)]
    pair = tf.reduce_sum(tf.complex(*arrays), axes, keepdims=True)
    return [tf.math.real(pair), tf.math.imag(pair)]


def _summed_like(value: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
    """Sums a total for each example and channel to the shape of a value that broadcasts to x."""
    missing = total.shape.rank - value.shape.rank
    sizes = [1] * missing + value.shape.as_list()
    axes = [axis for axis, size in enumerate(sizes) if size == 1 and total.shape[axis] != 1]
    total = tf.reduce_sum(total, axes, keepdims=True) if axes else total
    return tf.squeeze(total, list(range(missing))) if missing else total
