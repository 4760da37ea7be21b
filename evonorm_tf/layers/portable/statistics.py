"""Every moment of the portable layers, over the index sets of table 2 (paper section 3)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from evonorm_tf.layers.portable import float64


class Moments(NamedTuple):
    """Mean and biased variance; each field broadcasts to x.

    The mean is shift + rest, so that x - mean keeps its digits where the mean is large and the
    deviation small. `shift` is a constant for gradients, which is exact because no moment depends
    on it.
    """

    shift: Any
    rest: Any
    variance: Any

    @property
    def mean(self) -> Any:
        """The mean, which rounds shift + rest."""
        return self.shift + self.rest

    def center(self, x: Any) -> Any:
        """`x - mean`."""
        return (x - self.shift) - self.rest


class Statistics:
    """Takes the moments of one call's feature maps.

    An index set is "BWH" (per channel, over the batch), "WHC" (per example), "WH" (per example and
    channel) or "WHCQ" (per example and group of channels). Moments have size 1 on the axes that
    they do not vary along, and broadcast to x.

    Args:
      x: the layer's input, of rank 3, 4 or 5.
      axis: the channel axis.
      groups: number of channel groups; None for a layer without groups.
      mask: bool, broadcastable to x; only positions where it is True count. None: all count.
    """

    def __init__(self, x: Any, axis: int, groups: int | None, mask: Any):
        self._axis = axis % len(x.shape)
        self._groups = groups
        self._mask = mask
        # Whether the batch has no elements that count: True, False or a bool tensor.
        self.is_empty = 0 in x.shape if mask is None else ops.logical_not(ops.any(mask))

    def mean(self, x: Any, index_set: str) -> Any:
        """mu_I(x); 0 over an empty batch."""
        value = self._over(index_set, x, _mean)
        return self._or_default(value, 0.0) if index_set == "BWH" else value

    def second_moment(self, x: Any, index_set: str) -> Any:
        """mu_I(x^2); 0 over an empty batch."""
        return self.mean(ops.square(x), index_set)

    def moments(self, x: Any, index_set: str) -> Moments:
        """mu_I(x) and s^2_I(x); 0 and 1 over an empty batch."""
        moments = self._over(index_set, x, _moments)
        if index_set != "BWH":
            return moments
        shift, rest, variance = moments
        return Moments(
            self._or_default(shift, 0.0),
            self._or_default(rest, 0.0),
            self._or_default(variance, 1.0),
        )

    def _over(self, index_set: str, x: Any, compute: Callable[..., Any]) -> Any:
        """compute(x, axes, mask) for the axes of an index set."""
        rank, axis = len(x.shape), self._axis
        places = [i for i in range(1, rank) if i != axis]
        if index_set == "WHCQ" and x.shape[axis] > 1:
            return self._over_groups(x, compute)
        axes = {"BWH": [0, *places], "WHC": [*places, axis]}.get(index_set, places)
        return compute(x, sorted(axes), self._mask)

    def _over_groups(self, x: Any, compute: Callable[..., Any]) -> Any:
        """The channels are split into groups, an axis of their own."""
        axis, shape = self._axis, ops.shape(x)
        size = x.shape[axis] // self._groups
        split = ops.reshape(x, (*shape[:axis], self._groups, size, *shape[axis + 1 :]))
        mask = None if self._mask is None else ops.expand_dims(self._mask, axis)
        axes = [i for i in range(1, len(split.shape)) if i != axis]

        def joined(part):
            return ops.repeat(ops.squeeze(part, axis + 1), size, axis)

        value = compute(split, axes, mask)
        return Moments(*map(joined, value)) if isinstance(value, Moments) else joined(value)

    def _or_default(self, moment: Any, default: float) -> Any:
        """The moment; a default where the batch is empty, whose moments are NaN."""
        if self.is_empty is False:
            return moment
        return ops.where(self.is_empty, ops.full_like(moment, default), moment)


def _mean(x: Any, axes: Sequence[int], mask: Any) -> Any:
    """Mean over axes, which keep size 1; 0 where the mask is False everywhere."""
    if mask is None:
        return float64.mean(x, axes)
    counted = ops.where(mask, x, ops.zeros_like(x))
    ones = ops.cast(ops.broadcast_to(mask, ops.shape(counted)), x.dtype)
    count = ops.sum(ones, axes, keepdims=True)
    return ops.sum(counted, axes, keepdims=True) / float64.maximum(count, ops.ones_like(count))


def _moments(x: Any, axes: Sequence[int], mask: Any) -> Moments:
    """Mean and variance in two passes; the second takes deviations from the first mean."""
    shift = ops.stop_gradient(_mean(x, axes, mask))
    deviation = x - shift
    rest = _mean(deviation, axes, mask)
    square = _mean(ops.square(deviation), axes, mask)
    return Moments(shift, rest, ops.relu(square - ops.square(rest)))
