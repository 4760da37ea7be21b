"""Runs the functions of registered primitives (`evonorm_tf.graph.ops.register`)."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.graph import ops


def elementwise(op: str, *inputs: tf.Tensor) -> tf.Tensor:
    """The value of a registered element-wise primitive.

    Raises:
      ValueError: if its function returns another dtype than its inputs have, or another shape than
        they broadcast to.
    """
    shape = inputs[0].shape
    for other in inputs[1:]:
        shape = tf.broadcast_static_shape(shape, other.shape)
    return _called(op, inputs, shape)


def aggregation(
    op: str, x: tf.Tensor, index_set: str, axis: int, groups: int, batch_axis: int = 0
) -> tf.Tensor:
    """The value of a registered aggregation, with size 1 on the axes that it reduces.

    The value of a group of channels is repeated for each channel. Over a batch without examples,
    the value is 1.

    Args:
      op: the primitive.
      x: tensor of rank 3 or more.
      index_set: one of `ops.INDEX_SETS`.
      axis: the channel axis.
      groups: number of channel groups; must divide the channels.
      batch_axis: the axis of the examples.

    Raises:
      ValueError: if its function returns another dtype, or does not keep the axes with size 1.
    """
    axis %= x.shape.rank
    places = [i for i in range(x.shape.rank) if i not in (batch_axis, axis)]
    if index_set == "WHCQ":
        return _of_groups(op, x, places, axis, groups)
    axes = {"BWH": [batch_axis, *places], "WHC": [*places, axis], "WH": places}[index_set]
    value = _aggregated(op, x, sorted(axes))
    if index_set == "BWH" and not x.shape[batch_axis]:  # the batch may be empty
        value = tf.where(tf.equal(tf.size(x), 0), tf.ones_like(value), value)
    return value


def _of_groups(op: str, x: tf.Tensor, places: list[int], axis: int, groups: int) -> tf.Tensor:
    """The value over (w, h, c/g): the channels are split into groups, an axis of their own."""
    size = x.shape[axis] // groups
    sizes = tf.unstack(tf.shape(x))
    split = tf.reshape(x, [*sizes[:axis], groups, size, *sizes[axis + 1 :]])
    static = x.shape.as_list()
    split.set_shape([*static[:axis], groups, size, *static[axis + 1 :]])
    axes = sorted([axis + 1, *(place + (place > axis) for place in places)])
    return tf.repeat(tf.squeeze(_aggregated(op, split, axes), axis + 1), size, axis)


def _aggregated(op: str, x: tf.Tensor, axes: list[int]) -> tf.Tensor:
    sizes = [1 if place in axes else size for place, size in enumerate(x.shape.as_list())]
    return _called(op, (x, axes), tf.TensorShape(sizes))


def _called(op: str, arguments: Sequence[Any], shape: tf.TensorShape) -> tf.Tensor:
    primitive = ops.registered(op)
    if primitive is None:
        raise ValueError(f"`op` must be registered. Received: op={op!r}")
    value = tf.convert_to_tensor(primitive.function(*arguments))
    dtype = arguments[0].dtype
    if value.dtype != dtype or not value.shape.is_compatible_with(shape):
        raise ValueError(
            f"`function` of {op} must return a {dtype.name} tensor of shape {shape}. "
            f"Received: {value.dtype.name} of shape {value.shape}"
        )
    return value
