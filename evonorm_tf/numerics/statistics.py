"""Every moment the layers use: index sets, accumulation, replicas, moving averages.

A moment over any index set of table 2 is put together from the moments of each example
and channel over the spatial axes: these are reduced first, and what is left is small. Sets
are merged through their means and variances, never as E[x^2] - E[x]^2, so that a large
mean does not cancel a small variance. All functions keep reduced axes with size 1. `moments`
and `mean_of_squares` raise their input to `statistics_dtype`; for all others callers have.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.numerics import forward_mode, masks
from evonorm_tf.xla_cpu import devices


class Moments(NamedTuple):
    """Mean and biased variance, each of a shape that broadcasts to the input's.

    The mean is kept in two parts, so that x - mean does not lose the digits that a large
    mean takes from a small deviation. `shift` counts as a constant for gradients.
    """

    shift: tf.Tensor
    rest: tf.Tensor
    variance: tf.Tensor

    @property
    def mean(self) -> tf.Tensor:
        """The mean, rounded once."""
        return self.shift + self.rest

    def center(self, x: tf.Tensor) -> tf.Tensor:
        """x - mean."""
        return (x - self.shift) - self.rest


def statistics_dtype(dtype: tf.DType) -> tf.DType:
    """float64 for float64 input, float32 for all other."""
    return tf.float64 if tf.as_dtype(dtype) == tf.float64 else tf.float32


def widened(x: tf.Tensor) -> tf.Tensor:
    """x in its `statistics_dtype`."""
    return tf.cast(x, statistics_dtype(x.dtype))


def spatial_axes(rank: int, axis: int) -> list[int]:
    """All axes but the batch's and the channels'; `axis` may be negative."""
    return [i for i in range(1, rank) if i != axis % rank]


def frozen(x: tf.Tensor) -> tf.Tensor:
    """x as a constant, for what a custom gradient is made of.

    No tape keeps what is computed from it, and the gradient's own gradient does not go through
    what the gradient takes from the forward pass, eager or in a graph.
    """
    return tf.stop_gradient(x)


def needs_plain(*tensors: tf.Tensor) -> bool:
    """Whether TensorFlow must differentiate plain operations: for a mask, or in forward mode."""
    return masks.current() is not None or forward_mode.follows(*tensors)


def with_gradient(x: tf.Tensor, compute: Callable, gradient: Callable) -> Any:
    """compute(x), a named tuple of tensors, whose gradient is gradient(x, values, upstream)."""
    if needs_plain(x):
        return compute(x)

    @tf.custom_gradient
    def run(x):
        values = compute(frozen(x))
        kinds.append(type(values))
        return list(values), lambda *upstream: gradient(x, values, upstream)

    kinds: list[type] = []
    tensors = run(x)
    return kinds[0](*tensors)


def known(x: tf.Tensor, values: Any, gradient: Callable) -> Any:
    """`with_gradient` of what has been computed from x before."""
    kind = type(values)

    # The values are arguments, not captured: TensorFlow looks for variables between a custom
    # gradient's results and arguments, and would walk through all that is before the layer.
    @tf.custom_gradient
    def run(x, *values):
        def of_x(*upstream):
            return gradient(x, kind(*values), upstream), *(None for _ in values)

        return [tf.identity(value) for value in values], of_x

    return kind(*run(x, *values))


def moments(x: tf.Tensor, axes: list[int]) -> Moments:
    """Mean and biased variance over `axes`, in as many passes as dtype and device ask for.

    A bfloat16 of a mean m has been rounded by up to m / 512, which adds m^2 2^-19.6 to a
    variance; E[x^2] - E[x]^2 in float32 costs m^2 2^-24 where sums are made in blocks, as on
    accelerators. One pass serves there, and XLA joins it to the operation that makes x. CPUs
    add up in order, which costs up to m^2 2^-16 on large maps.
    """
    wide = widened(x)
    once = x.dtype == tf.bfloat16 and not devices.only_cpus()
    return one_pass(wide, axes) if once else two_pass(wide, axes)


def one_pass(x: tf.Tensor, axes: list[int]) -> Moments:
    """Mean and biased variance over `axes`, as E[x^2] - E[x]^2."""
    mean = masks.mean(x, axes)
    square = masks.mean(tf.square(x), axes)
    variance = tf.maximum(square - tf.square(mean), 0.0)
    return Moments(mean, tf.zeros_like(mean), variance)


def two_pass(x: tf.Tensor, axes: list[int]) -> Moments:
    """Mean and biased variance over `axes`, with corrected two-pass accumulation.

    The deviations are taken from a first mean that counts as a constant: neither moment
    depends on it mathematically, so gradients of every order are exact, and what rounding
    left in it is taken out again.
    """
    shift = masks.mean(x, axes)
    deviation = x - shift
    rest = masks.mean(deviation, axes)
    square = masks.mean(tf.square(deviation), axes)
    return Moments(shift, rest, tf.maximum(square - tf.square(rest), 0.0))


def two_pass_gradient(x: tf.Tensor, moments: Moments, upstream: Sequence[tf.Tensor]) -> tf.Tensor:
    """The gradient for x of its moments: d variance / dx = 2 (x - mean) / n."""
    _, rest_upstream, variance_upstream = upstream
    share = _share(x, moments.shift)
    slope = 2.0 * share * variance_upstream
    offset = share * rest_upstream - slope * _known_mean(x, moments.rest, share)
    return slope * (x - moments.shift) + offset


class SecondMoment(NamedTuple):
    """The mean of squares."""

    square: tf.Tensor


def mean_of_squares(x: tf.Tensor, axes: list[int]) -> SecondMoment:
    """The second moment over `axes`."""
    return SecondMoment(masks.mean(tf.square(widened(x)), axes))


def mean_of_squares_gradient(
    x: tf.Tensor, moment: SecondMoment, upstream: Sequence[tf.Tensor]
) -> tf.Tensor:
    """The gradient for x of its second moment, 2 x / n."""
    return 2.0 * _share(x, moment.square) * upstream[0] * x


def _share(x: tf.Tensor, reduced: tf.Tensor) -> tf.Tensor:
    """One over the number of elements of a set."""
    return tf.cast(tf.size(reduced) / tf.size(x), x.dtype)


@tf.custom_gradient
def _known_mean(x: tf.Tensor, mean: tf.Tensor, share: tf.Tensor):
    """A mean of x whose value is known already: for the gradient's own gradient."""

    def gradient(upstream):
        zeros = tf.zeros_like(mean), tf.zeros_like(share)
        return share * upstream + tf.zeros_like(x), *zeros

    return tf.identity(mean), gradient


def spatial_moments(x: tf.Tensor, axis: int) -> Moments:
    """Moments over (w, h), for each example and channel; the shift is a constant."""
    axes = spatial_axes(x.shape.rank, axis)
    return with_gradient(x, lambda x: two_pass(x, axes), two_pass_gradient)


def second_moment(moments: Moments) -> tf.Tensor:
    """mu(x^2) = s^2(x) + mu(x)^2, a sum of squares: nothing cancels."""
    return moments.variance + tf.square(moments.mean)


def spatial_mean(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Mean over (w, h), for each example and channel."""
    return masks.mean(x, spatial_axes(x.shape.rank, axis))


def merge(parts: Moments, axis: int) -> Moments:
    """Moments of the union of equally large sets that lie along `axis`."""
    return _merged(parts, lambda part: tf.reduce_mean(part, axis, keepdims=True))


def _merged(parts: Moments, mean: Callable[[tf.Tensor], tf.Tensor]) -> Moments:
    """Moments of the union of sets whose shares are those of `mean`."""
    shift = tf.stop_gradient(mean(parts.shift))
    deviation = (parts.shift - shift) + parts.rest
    rest = mean(deviation)
    spread = mean(parts.variance + tf.square(deviation))
    return Moments(shift, rest, tf.maximum(spread - tf.square(rest), 0.0))


def group_moments(parts: Moments, axis: int, groups: int) -> Moments:
    """Moments of each of `groups` groups of neighbouring channels, for each channel.

    The group's mean is told as a deviation from the channel's own shift.
    """
    if parts.shift.shape[axis] == 1:  # already the same for all channels
        return parts
    split = Moments(*(_split_groups(part, axis, groups) for part in parts))
    merged = merge(split, -1)
    rest = (merged.shift - split.shift) + merged.rest
    repeated = _repeat_groups(merged.variance, parts.shift, axis)
    return Moments(parts.shift, _join_groups(rest, parts.shift, axis), repeated)


def group_variance(parts: Moments, axis: int, groups: int) -> tf.Tensor:
    """The variance of `group_moments`, without the operations that only the mean needs."""
    if parts.shift.shape[axis] == 1:
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
    # Spatial axes have size 1 here, so this holds for any place of the channel axis.
    return tf.reshape(part, [-1, groups, part.shape[axis] // groups])


def _join_groups(split: tf.Tensor, like: tf.Tensor, axis: int) -> tf.Tensor:
    """The inverse of `_split_groups`."""
    shape = [-1] + [1] * (like.shape.rank - 1)
    shape[axis] = like.shape[axis]
    return tf.reshape(split, shape)


def _repeat_groups(merged: tf.Tensor, like: tf.Tensor, axis: int) -> tf.Tensor:
    # Adding zeros broadcasts with an operation that every converter knows.
    zeros = tf.zeros([like.shape[axis] // merged.shape[1]], merged.dtype)
    return _join_groups(merged + zeros, like, axis)


def batch_moments(parts: Moments, count: tf.Tensor | None = None) -> Moments:
    """Moments over (b, w, h) from those over (w, h).

    Args:
      parts: spatial moments.
      count: number of elements per channel on this replica. When given, the result is
        merged with the other replicas' in proportion to their counts.

    Without examples the mean is 0 and the variance 1.
    """
    local = _merged(parts, masks.mean_of_examples)
    instead = zip(local, (0.0, 0.0, 1.0), strict=True)
    local = Moments(*(_of_examples(part, parts.shift, value) for part, value in instead))
    context = None if count is None else replica_context()
    if context is None:
        return local
    total, weighted = context.all_reduce("SUM", [count, count * local.mean])
    shift = tf.stop_gradient(weighted / total)
    deviation = (local.shift - shift) + local.rest
    parts_of_sums = [count * deviation, count * (local.variance + tf.square(deviation))]
    rest, square = (part / total for part in context.all_reduce("SUM", parts_of_sums))
    return Moments(shift, rest, tf.maximum(square - tf.square(rest), 0.0))


def batch_mean(part: tf.Tensor, count: tf.Tensor | None = None) -> tf.Tensor:
    """Mean over (b, w, h) from means over (w, h); 0 without examples.

    `count` is as for `batch_moments`.
    """
    local = _of_examples(masks.mean_of_examples(part), part, 0.0)
    context = None if count is None else replica_context()
    if context is None:
        return local
    total, weighted = context.all_reduce("SUM", [count, count * local])
    return weighted / total


def _of_examples(moment: tf.Tensor, parts: tf.Tensor, instead: float) -> tf.Tensor:
    """The moment, unless nothing in the batch of parts counts: it would be NaN.

    Nothing depends on the value that it has instead, but a gradient of 0 times NaN is NaN.
    """
    if parts.shape[0] and masks.current() is None:
        return moment
    return tf.where(masks.is_empty(parts), tf.cast(instead, moment.dtype), moment)


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
    part = spatial_mean(tf.square(x) if op == "RMS" else x, axis)
    return _mean_of_parts(part, index_set, axis, groups, count)


def moment_of_parts(
    op: str,
    parts: Any,
    index_set: str,
    axis: int,
    groups: int,
    count: tf.Tensor | None = None,
) -> tf.Tensor:
    """`moment` of what has the spatial `Moments` parts; for op RMS `SecondMoment` does too."""
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
    """Mean of squares over the channels, for each example and place."""
    return tf.reduce_mean(tf.square(x), axis, keepdims=True)


def element_count(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Number of elements per channel, as a scalar of `statistics_dtype`."""
    if (mask := masks.current()) is not None:
        return tf.reduce_sum(tf.cast(mask, statistics_dtype(x.dtype)))
    axes = [0, *spatial_axes(x.shape.rank, axis)]
    count = tf.reduce_prod(tf.gather(tf.shape(x), axes))
    return tf.cast(count, statistics_dtype(x.dtype))


def replica_context() -> tf.distribute.ReplicaContext | None:
    """The replica context, if there are several replicas to merge with."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
