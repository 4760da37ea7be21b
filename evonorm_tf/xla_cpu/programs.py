"""Programs: element-wise work and spatial sums that XLA compiles for CPUs.

XLA turns many operations into one loop. On CPUs such a loop has one result, and XLA is slow where
it reduces a result in the same loop. So an array to be summed is first added over a few slices of
the image, element by element, and a matrix product then sums what is left. Two sums with common
work share a loop as the parts of complex numbers. Each function equals plain operations up to
rounding and has their gradients.
"""

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.fused.vjp import value_and_vjp
from evonorm_tf.numerics import devices, logistic, statistics
from evonorm_tf.xla import internals, programs
from evonorm_tf.xla.programs import Tensors, graph_value_and_vjp
from evonorm_tf.xla_cpu.sigmoid import sigmoid

# For fewer elements the launch overhead of a program exceeds its gain.
_LEAST_ELEMENTS = 2**17
# An unknown batch size counts as this one.
_USUAL_BATCH = 32
# XLA does not vectorize loops over more slices.
_MOST_SLICES = 8

# A kernel maps (value_and_vjp, *large, *small) to one or two arrays, element by element.
# It differentiates with its first argument only.
Kernel = Callable[..., Sequence[tf.Tensor]]

_state = threading.local()


def use_xla_programs(x: tf.Tensor, axis: int, training: Any) -> bool:
    """Whether a layer's passes over x should be programs.

    They should in training, for large inputs with the channels last and known sizes (the batch's
    may be unknown). They should not where a GPU or TPU is present, or in a SavedModel.
    """
    if training is not True:
        return False
    sizes = x.shape[1:]
    if axis % x.shape.rank != x.shape.rank - 1 or not sizes.is_fully_defined():
        return False
    if x.dtype == tf.float64 or internals.is_saving() or devices.accelerator() is not None:
        return False
    return (x.shape[0] or _USUAL_BATCH) * sizes.num_elements() >= _LEAST_ELEMENTS


def elementwise(kernel: Kernel, large: Tensors, small: Tensors, dtype: Any) -> tf.Tensor:
    """Returns the first array of a kernel, in `dtype`.

    Args:
      kernel: computes in the dtype of `small`. It is part of the cache key: equal kernels must be
        one object.
      large: arrays of one shape, channels last; only the batch size may be unknown.
      small: vectors over the channels, and arrays with spatial sizes of 1.
      dtype: of the result.
    """
    dtype, count = tf.as_dtype(dtype), len(large)

    def plain(*tensors):
        return tf.cast(kernel(value_and_vjp, *_widened(tensors, count))[0], dtype)

    def body(*tensors):
        (array, *_) = kernel(graph_value_and_vjp, *rows_of(tensors, count))
        return in_shape(tensors[0], array, dtype)

    key = elementwise, kernel, count, dtype
    return run_differentiable(plain, key, body, [*large, *small])


def sums(kernel: Kernel, large: Tensors, small: Tensors) -> list[tf.Tensor]:
    """Returns the arrays of a kernel summed over the spatial axes, which keep size 1."""
    count = len(large)

    def plain(*tensors):
        arrays = kernel(value_and_vjp, *_widened(tensors, count))
        axes = list(range(1, large[0].shape.rank - 1))
        return [tf.reduce_sum(array, axes, keepdims=True) for array in arrays]

    def body(*tensors):
        rows = rows_of(tensors, count)
        totals = sums_of_rows(kernel, rows[:count], rows[count:])
        return [over_space(tensors[0], total) for total in totals]

    return run_differentiable(plain, (sums, kernel, count), body, [*large, *small])


def run(key: Hashable, body: Callable, tensors: Tensors) -> Any:
    """`xla.programs.run` for CPUs.

    Inside a program that is being traced, the body becomes a part of that program.
    """
    part_numbers = getattr(_state, "part_numbers", None)
    if part_numbers is not None:
        return _behind_barriers(body, tensors, next(part_numbers))
    barriers = int(internals.in_xla())

    def whole(*tensors):
        with logistic.replaced_by(sigmoid), _numbered_parts():
            return _behind_barriers(body, tensors, barriers)

    return programs.run(key, whole, tensors)


def _behind_barriers(body: Callable, tensors: Tensors, number: int) -> Any:
    """Returns body(*tensors) such that XLA shares no work with the other parts of the program.

    XLA would store shared work as an array of x's size; each part repeats it instead. XLA merges
    equal barriers, so every part of a program has its own `number` of them.
    """
    for _ in range(number):
        tensors = internals.optimization_barrier(tensors)
    return body(*tensors)


@contextlib.contextmanager
def _numbered_parts():
    _state.part_numbers = itertools.count(1)
    try:
        yield
    finally:
        _state.part_numbers = None


def run_differentiable(plain: Callable, key: Hashable, body: Callable, tensors: Tensors) -> Any:
    """`run` with the gradients of plain(*tensors), which must equal body(*tensors)."""
    return programs.with_gradients_of(plain, lambda *inputs: run(key, body, inputs), tensors)


def in_shape(x: tf.Tensor, rows: tf.Tensor, dtype: Any) -> tf.Tensor:
    """Inside a program: reshapes rows to the shape of x, in `dtype`."""
    return tf.reshape(tf.cast(rows, dtype), [-1, *x.shape[1:]])


def over_space(x: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Inside a program: reshapes one row for each example to x's rank, spatial sizes 1."""
    return tf.reshape(row, [-1, *[1] * (x.shape.rank - 2), row.shape[-1]])


def sums_of_rows(kernel: Kernel, large: Tensors, small: Tensors) -> list[tf.Tensor]:
    """Inside a program: returns the arrays of a kernel summed over their one spatial axis."""
    slices = zip(*(_slices(rows) for rows in large), strict=True)
    # TensorFlow keeps some 10 KB for each operation of a program, so all slices share one trace.
    traced = tf.function(functools.partial(kernel, graph_value_and_vjp), autograph=False)
    arrays_of_slices = [traced(*rows, *small) for rows in slices]
    arrays = [tf.add_n(same) for same in zip(*arrays_of_slices, strict=True)]
    if len(arrays) == 1:
        return [_total(arrays[0])]
    pair = _total(tf.complex(*arrays))
    return [tf.math.real(pair), tf.math.imag(pair)]


def materialized(array: tf.Tensor) -> tf.Tensor:
    """Inside a program: the same row, which XLA computes once and not in the loop over elements.

    A vector is an argument of the program and needs nothing.
    """
    if array.shape.rank == 1:
        return array
    return _total(tf.concat([array / 2.0, array / 2.0], 1))


def _total(rows: tf.Tensor) -> tf.Tensor:
    # The ones have the batch axis too: XLA is several times slower where it broadcasts them.
    return tf.matmul(tf.ones([tf.shape(rows)[0], 1, rows.shape[1]], rows.dtype), rows)


def rows_of(tensors: Tensors, num_large: int) -> list[tf.Tensor]:
    """Merges the spatial axes of each tensor; the first `num_large` become `statistics_dtype`."""
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
    """Splits rows into `number_of_slices` equal slices of neighbours."""
    _, count, channels = rows.shape
    number = number_of_slices(count)
    return tf.unstack(tf.reshape(rows, [-1, number, count // number, channels]), axis=1)


def number_of_slices(count: int) -> int:
    """The largest number of equal slices of `count` rows, up to `_MOST_SLICES`."""
    return next(k for k in range(min(_MOST_SLICES, count), 0, -1) if count % k == 0)
