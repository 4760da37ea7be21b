"""Elementwise work and spatial sums as XLA programs, for training on CPUs.

XLA makes one loop of many operations, but on CPUs gives that loop one result, and reduces
slowly what it has just computed. So what is to be summed is first added over a few slices of
the image, element by element, and then summed by a matrix product, which keeps to itself; two
sums that share most of their work leave their loop as the parts of complex numbers. Each
function equals plain operations but for rounding, and has their gradients.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf import compat, statistics

# On fewer a program's start takes longer than it saves; unknown batches count as 32.
_LEAST_ELEMENTS = 2**17
_USUAL_BATCH = 32
# XLA's loops over more of them are not vectorized.
_MOST_SLICES = 8

# Of (gradients, *large, *small), one or two arrays: each element from the same elements.
# With `gradients` it differentiates: of (compute, sources, upstream).
Piece = Callable[..., Sequence[tf.Tensor]]
Tensors = Sequence[tf.Tensor]


def suits(x: tf.Tensor, axis: int) -> bool:
    """Whether work of x's size should be programs of its own here.

    Where XLA compiles the whole model, or a GPU or TPU is there, plain operations serve.
    """
    sizes = x.shape[1:]
    if axis % x.shape.rank != x.shape.rank - 1 or not sizes.is_fully_defined():
        return False
    if x.dtype == tf.float64 or not compat.only_cpus() or compat.in_xla():
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
    dtype = tf.as_dtype(dtype)

    def plain(*tensors):
        return tf.cast(piece(_recorded, *_widened(tensors, len(large)))[0], dtype)

    program = _program(_in_rows, (piece, len(large), dtype), _signature([*large, *small]))
    return _computed(plain, program, [*large, *small])


def sums(piece: Piece, large: Tensors, small: Tensors) -> list[tf.Tensor]:
    """The arrays of a piece, summed over the spatial axes, which become 1."""

    def plain(*tensors):
        arrays = piece(_recorded, *_widened(tensors, len(large)))
        axes = list(range(1, large[0].shape.rank - 1))
        return [tf.reduce_sum(array, axes, keepdims=True) for array in arrays]

    program = functools.partial(over_space, _summed, (piece, len(large)))
    return _computed(plain, program, [*large, *small])


def over_space(body: Callable, settings: tuple, *tensors: tf.Tensor) -> list[tf.Tensor]:
    """body(*settings, *tensors) in a program; its arrays with spatial axes of 1.

    Without gradients.

    Args:
      body: returns arrays whose spatial axes are one, of size 1.
      settings: hashable.
      *tensors: the first of them large.
    """
    results = _program(body, settings, _signature(tensors))(*tensors)
    ones = [1] * (tensors[0].shape.rank - 2)
    return [tf.reshape(part, [-1, *ones, tensors[0].shape[-1]]) for part in results]


def _computed(plain: Callable, program: Callable, tensors: Tensors) -> Any:
    """program(*tensors), whose gradients are those of `plain`."""

    @tf.custom_gradient
    def run(*tensors):
        def gradient(*upstream):
            # One tensor may be here twice; each place has its own gradient.
            sources = [tf.identity(tensor) for tensor in tensors]
            with tf.GradientTape() as tape:
                tape.watch(sources)
                found = tf.nest.flatten(plain(*sources))
            zero = tf.UnconnectedGradients.ZERO
            return tape.gradient(found, sources, upstream, unconnected_gradients=zero)

        return program(*tensors), gradient

    return run(*tensors)


def _recorded(compute: Callable, sources: Tensors, upstream: tf.Tensor) -> list[tf.Tensor]:
    """Gradients that a tape around sees, and can differentiate."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y = compute()
    return tape.gradient(y, sources, upstream)


def _symbolic(compute: Callable, sources: Tensors, upstream: tf.Tensor) -> list[tf.Tensor]:
    """Gradients inside of a program, which is traced where no tape records."""
    return tf.gradients(compute(), sources, upstream)


@functools.cache
def _program(body: Callable, settings: tuple, signature: tuple) -> Callable:
    """body(*settings, *tensors) compiled for tensors of one signature, without gradients.

    Traced once, outside of any graph.
    """
    with tf.init_scope():
        run = functools.partial(body, *settings)
        function = tf.function(run, jit_compile=True, autograph=False)
        specs = [tf.TensorSpec(shape, kind) for shape, kind in signature]
        program = function.get_concrete_function(*specs)
    # No tape looks into it: a program's own gradient would make it keep what it computes.
    return lambda *tensors: program(*(tf.stop_gradient(tensor) for tensor in tensors))


def _signature(tensors: Tensors) -> tuple:
    return tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors)


def _in_rows(piece: Piece, num_large: int, dtype: tf.DType, *tensors: tf.Tensor) -> tf.Tensor:
    y = piece(_symbolic, *rows_of(tensors, num_large))[0]
    sizes = tensors[0].shape[1:]
    return tf.reshape(tf.cast(y, dtype), [-1, *sizes])


def _summed(piece: Piece, num_large: int, *tensors: tf.Tensor) -> list[tf.Tensor]:
    rows = rows_of(tensors, num_large)
    return sums_of_rows(piece, rows[:num_large], rows[num_large:])


def sums_of_rows(piece: Piece, large: Tensors, small: Tensors) -> list[tf.Tensor]:
    """Inside of a program: the arrays of a piece summed over their one spatial axis."""
    slices = zip(*(_slices(rows) for rows in large), strict=True)
    arrays = [piece(_symbolic, *parts, *small) for parts in slices]
    added = [functools.reduce(tf.add, same) for same in zip(*arrays, strict=True)]
    if len(added) == 1:
        return [_total(added[0])]
    both = _total(tf.complex(*added))
    return [tf.math.real(both), tf.math.imag(both)]


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
    large = [
        tf.cast(tensor, statistics.statistics_dtype(tensor.dtype)) for tensor in tensors[:num_large]
    ]
    return [*large, *tensors[num_large:]]


def _slices(rows: tf.Tensor) -> list[tf.Tensor]:
    """Neighbouring rows in as many equal parts as there can be."""
    _, count, channels = rows.shape
    number = number_of_slices(count)
    parts = tf.reshape(rows, [-1, number, count // number, channels])
    return [parts[:, k] for k in range(number)]


def number_of_slices(count: int) -> int:
    """Equal parts that `count` rows are added up in."""
    return next(k for k in range(min(_MOST_SLICES, count), 0, -1) if count % k == 0)
