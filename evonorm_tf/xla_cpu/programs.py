"""Elementwise work and spatial sums as XLA programs, for training on CPUs.

XLA makes one loop of many operations, but on CPUs gives that loop one result, and reduces
slowly what it has just computed. So what is to be summed is first added over a few slices of
the image, element by element, and then summed by a matrix product, which keeps to itself; two
sums that share most of their work leave their loop as the parts of complex numbers. Each
function equals plain operations but for rounding, and has their gradients.
"""

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.fused import vjp
from evonorm_tf.numerics import statistics
from evonorm_tf.xla_cpu import devices, sigmoid

# On fewer a program's start takes longer than it saves; unknown batches count as 32.
_LEAST_ELEMENTS = 2**17
_USUAL_BATCH = 32
# XLA's loops over more of them are not vectorized.
_MOST_SLICES = 8

# Of (differentiated, *large, *small), one or two arrays: each element from the same elements.
# With its first argument it differentiates; see `differentiation`.
Piece = Callable[..., Sequence[tf.Tensor]]
Tensors = Sequence[tf.Tensor]

# By what is computed, the signature of its arguments, and whether XLA compiles what is around.
_PROGRAMS: dict[tuple[Hashable, tuple, bool], Callable] = {}
_state = threading.local()


def suits(x: tf.Tensor, axis: int) -> bool:
    """Whether work of x's size should be programs of its own here.

    Where a GPU or TPU is there, or in a SavedModel, plain operations serve.
    """
    sizes = x.shape[1:]
    if axis % x.shape.rank != x.shape.rank - 1 or not sizes.is_fully_defined():
        return False
    if x.dtype == tf.float64 or devices.is_saving() or not devices.only_cpus():
        return False
    return (x.shape[0] or _USUAL_BATCH) * sizes.num_elements() >= _LEAST_ELEMENTS


def elementwise(piece: Piece, large: Tensors, small: Tensors, dtype: Any) -> tf.Tensor:
    """The first array of a piece, in `dtype`.

    Args:
      piece: computes in the dtype of `small`; the same object each time it is the same.
      large: arrays of one shape, channels last, sizes but the batch's known.
      small: vectors of the channels, and arrays whose spatial sizes are 1.
      dtype: of the result.
    """
    dtype, count = tf.as_dtype(dtype), len(large)

    def plain(*tensors):
        return tf.cast(piece(vjp.recorded, *_widened(tensors, count))[0], dtype)

    def body(*tensors):
        return in_shape(tensors[0], piece(vjp.symbolic, *rows_of(tensors, count))[0], dtype)

    return computed(plain, (elementwise, piece, count, dtype), body, [*large, *small])


def sums(piece: Piece, large: Tensors, small: Tensors) -> list[tf.Tensor]:
    """The arrays of a piece, summed over the spatial axes, which become 1."""
    count = len(large)

    def plain(*tensors):
        arrays = piece(vjp.recorded, *_widened(tensors, count))
        axes = list(range(1, large[0].shape.rank - 1))
        return [tf.reduce_sum(array, axes, keepdims=True) for array in arrays]

    def body(*tensors):
        rows = rows_of(tensors, count)
        totals = sums_of_rows(piece, rows[:count], rows[count:])
        return [over_space(tensors[0], total) for total in totals]

    return computed(plain, (sums, piece, count), body, [*large, *small])


def run(key: Hashable, body: Callable, tensors: Tensors) -> Any:
    """body(*tensors) in a program, or as a part of the one being traced, without gradients.

    Args:
      key: equal where bodies compute the same, which then share a program for each
        signature of their arguments.
      body: returns tensors, in any structure.
      tensors: its arguments.
    """
    parts = getattr(_state, "parts", None)
    if parts is not None:
        return _apart(body, tensors, next(parts))
    signature = tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors)
    place = key, signature, devices.in_xla()
    if place not in _PROGRAMS:
        _PROGRAMS[place] = _program(body, signature, place[2])
    # No tape looks into it: a program's own gradient would make it keep what it computes.
    return _PROGRAMS[place](*(tf.stop_gradient(tensor) for tensor in tensors))


def _program(body: Callable, signature: tuple, in_xla: bool) -> Callable:
    """Traced once, outside of any graph, where no tape records.

    Part of a larger program if `in_xla`.
    """

    def whole(*tensors):
        return _apart(body, tensors, 1) if in_xla else body(*tensors)

    function = tf.function(whole, jit_compile=not in_xla, autograph=False)
    specs = [tf.TensorSpec(shape, dtype) for shape, dtype in signature]
    with tf.init_scope(), sigmoid.shortened(), _counted_parts():
        return function.get_concrete_function(*specs)


def _apart(body: Callable, tensors: Tensors, number: int) -> Any:
    """What parts of a program share is computed in each; else XLA would make an array of it.

    XLA makes one of equal barriers, so each part has another `number` of them.
    """
    for _ in range(number):
        tensors = devices.optimization_barrier(tensors)
    return body(*tensors)


@contextlib.contextmanager
def _counted_parts():
    _state.parts = itertools.count(1)
    try:
        yield
    finally:
        _state.parts = None


def computed(plain: Callable, key: Hashable, body: Callable, tensors: Tensors) -> Any:
    """`run`, with the gradients of `plain`."""

    @tf.custom_gradient
    def run_once(*tensors):
        def gradient(*upstream):
            # One tensor may be here twice; each place has its own gradient.
            sources = [tf.identity(tensor) for tensor in tensors]
            found, gradients = vjp.recorded(lambda: plain(*sources), sources)
            return gradients(tf.nest.flatten(found), upstream)

        return run(key, body, tensors), gradient

    return run_once(*tensors)


def in_shape(x: tf.Tensor, rows: tf.Tensor, dtype: Any) -> tf.Tensor:
    """Inside of a program: rows in the shape of x, in `dtype`."""
    return tf.reshape(tf.cast(rows, dtype), [-1, *x.shape[1:]])


def over_space(x: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Inside of a program: one row as x's spatial axes of size 1."""
    return tf.reshape(row, [-1, *[1] * (x.shape.rank - 2), row.shape[-1]])


def sums_of_rows(piece: Piece, large: Tensors, small: Tensors) -> list[tf.Tensor]:
    """Inside of a program: the arrays of a piece summed over their one spatial axis."""
    slices = zip(*(_slices(rows) for rows in large), strict=True)
    # Traced once, since TensorFlow keeps some 10 KB for each operation of a program.
    once = tf.function(functools.partial(piece, vjp.symbolic), autograph=False)
    arrays = [once(*parts, *small) for parts in slices]
    added = [tf.add_n(same) for same in zip(*arrays, strict=True)]
    if len(added) == 1:
        return [_total(added[0])]
    both = _total(tf.complex(*added))
    return [tf.math.real(both), tf.math.imag(both)]


def computed_once(array: tf.Tensor) -> tf.Tensor:
    """Inside of a program: a row, which loops shall not compute anew for each element.

    A vector is an argument and computed already.
    """
    if array.shape.rank == 1:
        return array
    return _total(tf.concat([array / 2.0, array / 2.0], 1))


def _total(rows: tf.Tensor) -> tf.Tensor:
    # The ones have the batch's size: XLA is several times slower where it has to repeat them.
    return tf.matmul(tf.ones([tf.shape(rows)[0], 1, rows.shape[1]], rows.dtype), rows)


def rows_of(tensors: Tensors, num_large: int) -> list[tf.Tensor]:
    """Tensors with all spatial axes made one; the large ones in the dtype computed in."""
    return [
        tensor if tensor.shape.rank == 1 else _one_axis(tensor)
        for tensor in _widened(tensors, num_large)
    ]


def _one_axis(tensor: tf.Tensor) -> tf.Tensor:
    batch, *sizes, channels = tensor.shape
    count = tf.TensorShape(sizes).num_elements()
    return tf.reshape(tensor, [-1 if batch is None else batch, count, channels])


def _widened(tensors: Tensors, num_large: int) -> list[tf.Tensor]:
    return [*map(statistics.widened, tensors[:num_large]), *tensors[num_large:]]


def _slices(rows: tf.Tensor) -> list[tf.Tensor]:
    """Neighbouring rows in as many equal parts as there can be."""
    _, count, channels = rows.shape
    number = number_of_slices(count)
    parts = tf.reshape(rows, [-1, number, count // number, channels])
    return tf.unstack(parts, axis=1)


def number_of_slices(count: int) -> int:
    """Equal parts that `count` rows are added up in."""
    return next(k for k in range(min(_MOST_SLICES, count), 0, -1) if count % k == 0)
