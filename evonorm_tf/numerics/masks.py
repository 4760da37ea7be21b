"""Masks: statistics skip the positions where a mask is False, such as a sequence's padding.

A layer that is called with a mask applies it to all statistics of that call.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence

import tensorflow as tf

_state = threading.local()


def current() -> tf.Tensor | None:
    """The active mask, with a channel axis of size 1; None without one."""
    return getattr(_state, "mask", None)


@contextlib.contextmanager
def applied(mask: tf.Tensor) -> Iterator[None]:
    """Activates a mask with a channel axis of size 1: statistics count only where it is True."""
    outer, _state.mask = current(), mask
    try:
        yield
    finally:
        _state.mask = outer


def mean(x: tf.Tensor, axes: Sequence[int]) -> tf.Tensor:
    """Mean over spatial axes, which keep size 1; 0 where the mask is False everywhere."""
    mask = current()
    if mask is None:
        return tf.reduce_mean(x, axes, keepdims=True)
    total = tf.reduce_sum(tf.where(mask, x, tf.zeros([], x.dtype)), axes, keepdims=True)
    return tf.math.divide_no_nan(total, _counts(mask, axes, x.dtype))


def mean_of_examples(parts: tf.Tensor) -> tf.Tensor:
    """Mean over the batch of spatial means, weighted by each example's unmasked positions."""
    mask = current()
    if mask is None:
        return tf.reduce_mean(parts, 0, keepdims=True)
    counts = _counts(mask, range(1, mask.shape.rank), parts.dtype)
    total = tf.reduce_sum(parts * counts, 0, keepdims=True)
    return tf.math.divide_no_nan(total, tf.reduce_sum(counts, 0, keepdims=True))


def is_empty(x: tf.Tensor) -> tf.Tensor:
    """Whether a batch has no elements, or no unmasked ones."""
    mask = current()
    return tf.equal(tf.size(x), 0) if mask is None else tf.logical_not(tf.reduce_any(mask))


def _counts(mask: tf.Tensor, axes: Sequence[int], dtype: tf.DType) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(mask, dtype), list(axes), keepdims=True)
