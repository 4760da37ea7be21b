"""Every moment of the layers: index sets, accumulation, and replicas.

Every moment over an index set of table 2 (paper section 3) is merged from spatial moments: those
of each example and channel over the spatial axes, which are small arrays. Sets merge by their
means and variances, never as E[x^2] - E[x]^2, so that a large mean does not cancel a small
variance. All functions keep reduced axes with size 1. `moments` and `mean_of_squares` cast x to
`statistics_dtype`; all other functions expect x in that dtype.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.numerics import devices, forward_mode, masks, quantization


class Moments(NamedTuple):
    """Mean and biased variance; each field broadcasts to x.

    The mean is shift + rest, so that x - mean keeps its digits where the mean is large and the
    deviation small. `shift` is a constant for gradients.
    """

    shift: tf.Tensor
    rest: tf.Tensor
    variance: tf.Tensor

    @property
    def mean(self) -> tf.Tensor:
        """The mean, which rounds shift + rest."""
        return self.shift + self.rest

    def center(self, x: tf.Tensor) -> tf.Tensor:
        """`x - mean`."""
        return (x - self.shift) - self.rest


def statistics_dtype(dtype: tf.DType) -> tf.DType:
    """float64 for float64, float32 for every other dtype."""
    return tf.float64 if tf.as_dtype(dtype) == tf.float64 else tf.float32


def widened(x: tf.Tensor) -> tf.Tensor:
    """Casts x to its `statistics_dtype`."""
    return tf.cast(x, statistics_dtype(x.dtype))


def spatial_axes(rank: int, axis: int) -> list[int]:
    """All axes except the batch axis 0 and the channel axis, which may be negative."""
    return [i for i in range(1, rank) if i != axis % rank]


def frozen(x: tf.Tensor) -> tf.Tensor:
    """Makes x a constant, for the forward pass of a custom gradient.

    No tape then keeps arrays of the forward pass, and a second derivative does not flow through
    the values that the gradient takes from it, eager or in a graph.
    """
    return tf.stop_gradient(x)


def needs_plain(*tensors: tf.Tensor) -> bool:
    """Whether custom gradients cannot serve: within a mask, or in forward mode."""
    return masks.current() is not None or forward_mode.is_active(*tensors)


def with_gradient(x: tf.Tensor, compute: Callable, gradient: Callable) -> Any:
    """Returns compute(x), a named tuple; its gradient is gradient(x, moments, upstream)."""
    if needs_plain(x):
        return compute(x)
    moments = compute(frozen(x))
    return connected(x, moments, gradient)


def connected(x: tf.Tensor, moments: Any, gradient: Callable) -> Any:
    """Moments that were computed from a constant x, with gradient(x, moments, upstream) for x."""

    # The moments are arguments, not captured: TensorFlow searches for variables from the results
    # of a custom gradient back to its arguments, and would walk through all preceding layers.
    @tf.custom_gradient
    def run(x, *values):
        def x_gradient(*upstream):
            return gradient(x, type(moments)(*values), upstream), *(None for _ in values)

        return [tf.identity(value) for value in values], x_gradient

    return type(moments)(*run(x, *moments))


def moments(x: tf.Tensor, axes: list[int]) -> Moments:
    """Mean and biased variance over `axes`, in one pass or two, by dtype and device.

    A bfloat16 near a mean m is rounded by up to m / 512, which adds m^2 2^-19.6 to a variance.
    On accelerators, which sum in blocks, E[x^2] - E[x]^2 in float32 costs m^2 2^-24: one pass is
    exact enough there, and XLA fuses it with the operation that produces x. CPUs sum in order,
    which costs up to m^2 2^-16 on large maps.
    """
    wide_x = widened(x)
    uses_one_pass = x.dtype == tf.bfloat16 and devices.accelerator() is not None
    return one_pass(wide_x, axes) if uses_one_pass else two_pass(wide_x, axes)


def one_pass(x: tf.Tensor, axes: list[int]) -> Moments:
    """Mean and biased variance over `axes`, as E[x^2] - E[x]^2."""
    mean = masks.mean(x, axes)
    square = masks.mean(quantization.square(x), axes)
    variance = tf.maximum(square - quantization.square(mean), 0.0)
    return Moments(mean, tf.zeros_like(mean), variance)


def two_pass(x: tf.Tensor, axes: list[int]) -> Moments:
    """Mean and biased variance over `axes`, by corrected two-pass accumulation.

    The second pass takes deviations from the first mean, the shift. Mathematically neither
    moment depends on the shift, so it can be a constant for gradients of every order, and `rest`
    corrects its rounding.
    """
    shift = masks.mean(x, axes)
    deviation = x - shift
    rest = masks.mean(deviation, axes)
    square = masks.mean(quantization.square(deviation), axes)
    return Moments(shift, rest, tf.maximum(square - quantization.square(rest), 0.0))


def moments_gradient(x: tf.Tensor, moments: Moments, upstream: Sequence[tf.Tensor]) -> tf.Tensor:
    """The gradient for x through its moments: d variance / dx = 2 (x - mean) / n."""
    _, rest_upstream, variance_upstream = upstream
    share = _share(x, moments.shift)
    slope = 2.0 * share * variance_upstream
    offset = share * rest_upstream - slope * _connected_mean(x, moments.rest, share)
    return slope * (x - moments.shift) + offset


class SecondMoment(NamedTuple):
    """The mean of squares."""

    square: tf.Tensor


def mean_of_squares(x: tf.Tensor, axes: list[int]) -> SecondMoment:
    """The second moment over `axes`."""
    return SecondMoment(masks.mean(quantization.square(widened(x)), axes))


def mean_of_squares_gradient(
    x: tf.Tensor, moment: SecondMoment, upstream: Sequence[tf.Tensor]
) -> tf.Tensor:
    """The gradient for x through its second moment: 2 x / n."""
    return 2.0 * _share(x, moment.square) * upstream[0] * x


def _share(x: tf.Tensor, reduced: tf.Tensor) -> tf.Tensor:
    """1 / n, where n elements of x share an element of `reduced`."""
    return tf.cast(tf.size(reduced) / tf.size(x), x.dtype)


@tf.custom_gradient
def _connected_mean(x: tf.Tensor, mean: tf.Tensor, share: tf.Tensor):
    """The given mean, with the gradient of a mean of x, for second derivatives."""

    def gradient(upstream):
        zeros = tf.zeros_like(mean), tf.zeros_like(share)
        return share * upstream + tf.zeros_like(x), *zeros

    return tf.identity(mean), gradient


def spatial_moments(x: tf.Tensor, axis: int) -> Moments:
    """Moments over (w, h), for each example and channel."""
    axes = spatial_axes(x.shape.rank, axis)
    return with_gradient(x, lambda x: two_pass(x, axes), moments_gradient)


def second_moment(moments: Moments) -> tf.Tensor:
    """mu(x^2) = s^2(x) + mu(x)^2; both terms are positive, so nothing cancels."""
    return moments.variance + quantization.square(moments.mean)


def spatial_mean(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Mean over (w, h), for each example and channel."""
    return masks.mean(x, spatial_axes(x.shape.rank, axis))


def merge(parts: Moments, axis: int) -> Moments:
    """Moments of the union of the equally large sets along `axis`."""
    return _merged(parts, lambda part: tf.reduce_mean(part, axis, keepdims=True))


def _merged(parts: Moments, mean: Callable[[tf.Tensor], tf.Tensor]) -> Moments:
    """Moments of the union of sets, which `mean` averages by their sizes."""
    shift = tf.stop_gradient(mean(parts.shift))
    deviation = (parts.shift - shift) + parts.rest
    rest = mean(deviation)
    spread = mean(parts.variance + quantization.square(deviation))
    return Moments(shift, rest, tf.maximum(spread - quantization.square(rest), 0.0))


def group_moments(parts: Moments, axis: int, groups: int) -> Moments:
    """Moments of each of `groups` groups of neighbouring channels, for each channel.

    Each channel keeps its own shift, and `rest` holds the deviation of the group's mean from it.
    """
    split = Moments(*(_split_groups(part, axis, groups) for part in parts))
    merged = merge(split, -1)
    rest = (merged.shift - split.shift) + merged.rest
    repeated = _repeat_groups(merged.variance, parts.shift, axis)
    return Moments(parts.shift, _join_groups(rest, parts.shift, axis), repeated)


def group_variance(parts: Moments, axis: int, groups: int) -> tf.Tensor:
    """The variance of `group_moments` alone, in fewer operations."""
    if parts.shift.shape[axis] == 1:  # one channel, or equal for all channels
        return parts.variance
    split = Moments(*(_split_groups(part, axis, groups) for part in parts))
    return _repeat_groups(merge(split, -1).variance, parts.shift, axis)


def group_mean(part: tf.Tensor, axis: int, groups: int) -> tf.Tensor:
    """Mean over each of `groups` groups of neighbouring channels, repeated per channel."""
    if part.shape[axis] == 1:
        return part
    merged = tf.reduce_mean(_split_groups(part, axis, groups), -1, keepdims=True)
    return _repeat_groups(merged, part, axis)


def _split_groups(part: tf.Tensor, axis: int, groups: int) -> tf.Tensor:
    # Spatial axes have size 1 here, so the channel axis can be any axis.
    return tf.reshape(part, [-1, groups, part.shape[axis] // groups])


def _join_groups(split: tf.Tensor, like: tf.Tensor, axis: int) -> tf.Tensor:
    """The inverse of `_split_groups`."""
    shape = [-1] + [1] * (like.shape.rank - 1)
    shape[axis] = like.shape[axis]
    return tf.reshape(split, shape)


def _repeat_groups(merged: tf.Tensor, like: tf.Tensor, axis: int) -> tf.Tensor:
    # Every model converter supports an addition of zeros, but not every one a broadcast.
    zeros = tf.zeros([like.shape[axis] // merged.shape[1]], merged.dtype)
    return _join_groups(merged + zeros, like, axis)


def batch_moments(parts: Moments, count: tf.Tensor | None = None) -> Moments:
    """Moments over (b, w, h) from those over (w, h).

    Args:
      parts: spatial moments.
      count: number of elements per channel on this replica. If given, the moments of all
        replicas are merged in proportion to their counts.

    Returns:
      The moments; mean 0 and variance 1 for a batch without examples.
    """
    local = _merged(parts, masks.mean_of_examples)
    defaults = zip(local, (0.0, 0.0, 1.0), strict=True)
    local = Moments(*(_or_default(part, parts.shift, default) for part, default in defaults))
    context = None if count is None else replica_context()
    if context is None:
        return local
    total, weighted = context.all_reduce("SUM", [count, count * local.mean])
    shift = tf.stop_gradient(weighted / total)
    deviation = (local.shift - shift) + local.rest
    local_sums = [count * deviation, count * (local.variance + quantization.square(deviation))]
    rest, square = (part / total for part in context.all_reduce("SUM", local_sums))
    return Moments(shift, rest, tf.maximum(square - quantization.square(rest), 0.0))


def batch_mean(part: tf.Tensor, count: tf.Tensor | None = None) -> tf.Tensor:
    """Mean over (b, w, h) from means over (w, h); 0 without examples.

    `count` is as for `batch_moments`.
    """
    local = _or_default(masks.mean_of_examples(part), part, 0.0)
    context = None if count is None else replica_context()
    if context is None:
        return local
    total, weighted = context.all_reduce("SUM", [count, count * local])
    return weighted / total


def _or_default(moment: tf.Tensor, parts: tf.Tensor, default: float) -> tf.Tensor:
    """The moment; a default if the batch of `parts` is empty or masked, where it is NaN.

    The default has no effect on any output, but a gradient of 0 * NaN would be NaN.
    """
    if parts.shape[0] and masks.current() is None:
        return moment
    return tf.where(masks.is_empty(parts), tf.cast(default, moment.dtype), moment)


def moment(
    op: str,
    x: tf.Tensor,
    index_set: str,
    axis: int,
    groups: int,
    count: tf.Tensor | None = None,
) -> tf.Tensor:
    """The mean (op MEAN), second moment (RMS) or variance (STD) over an index set."""
    if op == "STD":
        parts = spatial_moments(x, axis)
        return moment_of_parts(op, parts, index_set, axis, groups, count)
    part = spatial_mean(quantization.square(x) if op == "RMS" else x, axis)
    return _mean_of_parts(part, index_set, axis, groups, count)


def moment_of_parts(
    op: str,
    parts: Any,
    index_set: str,
    axis: int,
    groups: int,
    count: tf.Tensor | None = None,
) -> tf.Tensor:
    """`moment` from the spatial `Moments`; for RMS, a spatial `SecondMoment` suffices."""
    if op == "RMS":
        square = parts.square if isinstance(parts, SecondMoment) else second_moment(parts)
        return _mean_of_parts(square, index_set, axis, groups, count)
    if op == "MEAN":
        return _mean_of_parts(parts.mean, index_set, axis, groups, count)
    if index_set == "BWH":
        return batch_moments(parts, count).variance
    if index_set == "WHC":
        return merge(parts, axis).variance
    return parts.variance if index_set == "WH" else group_variance(parts, axis, groups)


def _mean_of_parts(part: tf.Tensor, index_set: str, axis: int, groups: int, count) -> tf.Tensor:
    if index_set == "BWH":
        return batch_mean(part, count)
    if index_set == "WHC":
        return tf.reduce_mean(part, axis, keepdims=True)
    return part if index_set == "WH" else group_mean(part, axis, groups)


def pixel_second_moment(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Mean of squares over the channels, for each example and pixel."""
    return tf.reduce_mean(quantization.square(x), axis, keepdims=True)


def element_count(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Number of elements per channel, as a scalar of `statistics_dtype`."""
    if (mask := masks.current()) is not None:
        return tf.reduce_sum(tf.cast(mask, statistics_dtype(x.dtype)))
    axes = [0, *spatial_axes(x.shape.rank, axis)]
    count = tf.reduce_prod(tf.gather(tf.shape(x), axes))
    return tf.cast(count, statistics_dtype(x.dtype))


def replica_context() -> tf.distribute.ReplicaContext | None:
    """The replica context; None without other replicas."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
