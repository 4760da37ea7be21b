"""`FusedProgram`: a program in compiled C code, on float32 arrays with the channels last.

A feature map is an array (batch, places, channels), as TensorFlow has it. Other values are arrays
(channels, batch, places) with size 1 on some axes, the last one among them, as everywhere else in
this folder.
"""

import ctypes
import functools
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from evonorm_tf import c_code
from evonorm_tf.graph import ops
from search.evaluation.engine.instructions import (
    BATCH,
    CHANNELS,
    FEATURE_MAPS,
    PLACES,
    Array,
    Compiled,
    Instruction,
    Program,
    Sizes,
    run,
)
from search.evaluation.engine.layer_program import Runner
from search.evaluation.engine.passes import NotFusableError, Pass, plan

_FLOAT = np.dtype(np.float32)
_CODE = c_code.CCode(
    name="search",
    folder=pathlib.Path(__file__).parent / "source",
    # Compilers vectorize comparisons only if nobody reads the processor's floating-point flags.
    arguments=["-fno-trapping-math"],
    without="candidates run without compiled C code, which is several times as slow",
)


class _CSizes(ctypes.Structure):
    """`Sizes` of passes.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "places", "channels")),
        *((name, ctypes.c_int64) for name in ("maps", "smalls", "registers", "steps")),
        ("epsilon", ctypes.c_float),
    ]


class FusedProgram:
    """The part of a program that some of its values need, in passes of compiled C code.

    Args:
      library: what `_library` returns.
      program: the program.
      outputs: the values to compute.
      known: values that need not be computed. Feature maps among them are computed again, which
        takes less time than memory does.

    Attributes:
      known: those of the known small values that it needs, which every call is given.

    Raises:
      NotFusableError: for a program that needs NumPy or TensorFlow.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        program: Program,
        outputs: Sequence[int],
        known: Sequence[int] = (),
    ):
        axes = program.axes()
        small = [value for value in known if PLACES not in axes[value]]
        needed, self.known = program.needed(outputs, small)
        self._library, self._outputs = library, list(outputs)
        self._instructions = program.instructions
        self._stages, self._summed = plan(program, axes, outputs, needed)

    def __call__(
        self, inputs: Mapping[str, Array], sizes: Sizes, known: Sequence[Array] = ()
    ) -> list[Array]:
        """Returns the outputs: feature maps, and small values.

        Args:
          inputs: the arguments by name, float32 and contiguous.
          sizes: of the layer's input.
          known: arrays of the known values.
        """
        values = dict(zip(self.known, known, strict=True))
        sums: dict[int, Array] = {}
        with np.errstate(all="ignore"):
            for small, then in self._stages:
                for value in small:
                    if value in self._summed:
                        values[value] = self._total(value, values, sums, sizes)
                    else:
                        instruction = self._instructions[value]
                        arrays = [values[source] for source in instruction.sources]
                        values[value] = run(instruction, arrays, inputs, sizes, _FLOAT)
                if then is not None:
                    self._run(then, values, sums, inputs, sizes)
        return [values[output] for output in self._outputs]

    def _total(
        self, value: int, values: Mapping[int, Array], sums: Mapping[int, Array], sizes: Sizes
    ) -> Array:
        """A SUM or a MEAN of a feature map, from a sum over its places."""
        of, factors = self._summed[value]
        total = sums[of]
        for factor, smalls in factors:
            arrays = [total, *(values[small] for small in smalls)]
            total = run(Instruction(factor), arrays, {}, sizes, _FLOAT)
        op, _, axes = self._instructions[value]
        others = tuple(axis for axis in axes if axis != PLACES)
        total = np.add.reduce(total, axis=others, keepdims=True, dtype=np.float64)
        return (total / sizes.count(axes) if op == "MEAN" else total).astype(_FLOAT)

    def _run(
        self,
        one: Pass,
        values: dict[int, Array],
        sums: dict[int, Array],
        inputs: Mapping[str, Array],
        sizes: Sizes,
    ) -> None:
        """Adds what a pass writes to the values, and its sums over places to the sums."""
        channels, batch, places = (sizes.shape[axis] for axis in (CHANNELS, BATCH, PLACES))
        smalls = [_matrix(values[value]) for value in one.smalls]
        varying = np.array([[size > 1 for size in array.shape] for array in smalls], np.int32)
        read = [inputs[self._instructions[value].parameter] for value in one.read]
        written = [np.empty((batch, places, channels), np.float32) for _ in one.written]
        tables = np.zeros((len(one.sums), batch, channels), np.float32)
        counts = len(read) + len(written), len(smalls), one.registers, len(one.steps)
        failed = self._library.evonorm_run_pass(
            ctypes.byref(_CSizes(batch, places, channels, *counts, ops.EPSILON)),
            _address(one.steps),
            _addresses([*read, *written]),
            _addresses(smalls),
            _address(varying),
            _address(tables),
        )
        if failed:
            raise MemoryError("there is no memory for a pass over feature maps")
        values.update(zip(one.written, written, strict=True))
        for value, table in zip(one.sums, tables, strict=True):
            sums[value] = table.T[:, :, None]


class ViewedProgram(Compiled):
    """`Compiled`, with feature maps as `FusedProgram` has them."""

    def __init__(self, program: Program, outputs: Sequence[int], known: Sequence[int] = ()):
        super().__init__(program, outputs, known)
        is_map = [PLACES in axes for axes in program.axes()]
        self._known_maps = [is_map[value] for value in self.known]
        self._output_maps = [is_map[value] for value in outputs]

    def __call__(
        self, inputs: Mapping[str, Array], sizes: Sizes, known: Sequence[Array] = ()
    ) -> list[Array]:
        """Returns the outputs, as `FusedProgram` does."""
        given = {
            name: array.transpose(2, 0, 1) if name in FEATURE_MAPS else array
            for name, array in inputs.items()
        }
        known = [
            array.transpose(2, 0, 1) if is_map else array
            for array, is_map in zip(known, self._known_maps, strict=True)
        ]
        outputs = super().__call__(given, sizes, known)
        return [
            array.transpose(1, 2, 0) if is_map else array
            for array, is_map in zip(outputs, self._output_maps, strict=True)
        ]


def runner(program: Program, outputs: Sequence[int], known: Sequence[int] = ()) -> Runner:
    """The fastest that can run a program on feature maps with the channels last."""
    library = None if c_code.is_switched_off() else _library()
    if library is not None:
        try:
            return FusedProgram(library, program, outputs, known)
        except NotFusableError:
            pass
    return ViewedProgram(program, outputs, known)


@functools.cache
def _library() -> ctypes.CDLL | None:
    return _CODE.load(ctypes.CDLL)


def _matrix(small: Array) -> Array:
    """A small value as (batch or 1, channels or 1), contiguous; masks as bits."""
    matrix = small[:, :, 0].T
    if matrix.dtype == np.bool_:
        return -matrix.astype(np.int32, order="C")
    return np.ascontiguousarray(matrix)


def _address(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _addresses(arrays: Sequence[Array]) -> ctypes.Array:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
