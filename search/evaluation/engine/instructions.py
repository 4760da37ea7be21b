"""Instructions on arrays (channels, batch, places), and programs that are lists of them.

An array has size 1 on each axis along which it does not vary. With the channels first, vectors
broadcast and most sums run over neighbours in memory, twice as fast as with them last. A program
is differentiated into more instructions of the same kinds, so there are gradients of every order.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from evonorm_tf.graph import ops

CHANNELS, BATCH, PLACES = range(3)
Array = np.ndarray
Axes = frozenset[int]
EVERYWHERE: Axes = frozenset({BATCH, PLACES, CHANNELS})
PER_CHANNEL: Axes = frozenset({CHANNELS})
# The arguments of a layer's programs that are feature maps. The others have a value per channel.
FEATURE_MAPS = frozenset({"x", "upstream", "to_x"})


class Instruction(NamedTuple):
    """An operation, the values that it reads by their position, and its parameter.

    The parameter is the number of a CONSTANT, the name of an INPUT, the axes of a reduction, or the
    `Call` of a CALL.
    """

    op: str
    sources: tuple[int, ...] = ()
    parameter: Any = None


class Sizes(NamedTuple):
    """The shape of the layer's input, with its places in one axis, and the number of groups."""

    shape: tuple[int, int, int]
    groups: int

    def count(self, axes: Sequence[int]) -> int:
        """How many elements the axes have together."""
        return math.prod(self.shape[axis] for axis in axes)


def _sum(a: Array, axes: Sequence[int], sizes: Sizes) -> Array:
    """The sum over the axes; a value counts once for each element for which it stands."""
    total = np.add.reduce(a, axis=tuple(axes), keepdims=True)
    repeats = sizes.count([axis for axis in axes if a.shape[axis] == 1])
    return total if repeats == 1 else total * a.dtype.type(repeats)


def _mean(a: Array, axes: Sequence[int], sizes: Sizes) -> Array:
    varying = [axis for axis in axes if a.shape[axis] != 1]
    total = np.add.reduce(a, axis=tuple(varying), keepdims=True)
    return total / a.dtype.type(sizes.count(varying))


def _mean_of_group(a: Array, _: None, sizes: Sizes) -> Array:
    channels, *rest = a.shape
    if channels == 1:
        return a
    split = a.reshape(sizes.groups, channels // sizes.groups, *rest)
    mean = np.add.reduce(split, axis=1) / a.dtype.type(split.shape[1])
    return np.repeat(mean, split.shape[1], axis=0)


def _where(mask: Array, a: Array) -> Array:
    """`a` where the mask is True, else 0. Works on bits: np.where takes ten times as long."""
    if mask.all():
        return a
    bits = a.view(_BITS[a.dtype.itemsize])
    return (bits & -mask.astype(bits.dtype)).view(a.dtype)


_BITS = {4: np.int32, 8: np.int64}


def _sigmoid(a: Array, _: None, __: Sizes) -> Array:
    # exp overflows to infinity for a very negative a, and the quotient is then 0, as it should be.
    result = np.negative(a)
    np.exp(result, out=result)
    result += 1
    return np.reciprocal(result, out=result)


def _divisor(a: Array, _: None, __: Sizes) -> Array:
    """`a`, where an |a| of at most EPSILON is EPSILON with the sign of a; 0 is positive."""
    is_small = np.abs(a) <= ops.EPSILON
    if not is_small.any():
        return a
    # Adding 0 makes -0 positive.
    return np.where(is_small, np.copysign(a.dtype.type(ops.EPSILON), a + 0), a)


def _call(*arguments: Any) -> Array:
    *arrays, call, sizes = arguments
    return call.run(arrays, sizes)


# Element by element; their results have the dtype of their sources.
_UFUNCS: dict[str, Any] = {
    "NEG": np.negative,
    "EXP": np.exp,
    "LOG": np.log,
    "TANH": np.tanh,
    "ABS": np.abs,
    "SIGN": np.sign,
    "SQRT": np.sqrt,
    "SQUARE": np.square,
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": np.divide,
    "MAX": np.maximum,
}
# (*sources, parameter, sizes) -> result, which may be one of the sources.
_OTHERS: dict[str, Callable[..., Array]] = {
    "SIGMOID": _sigmoid,
    "AT_LEAST": lambda a, b, _, __: np.greater_equal(a, b),
    "DIVISOR": _divisor,
    "WHERE": lambda mask, a, _, __: _where(mask, a),
    "WHERE_NOT": lambda mask, a, _, __: _where(~mask, a),
    "SUM": _sum,
    "MEAN": _mean,
    "SHARE": lambda a, axes, sizes: a / a.dtype.type(sizes.count(axes)),
    "MEAN_OF_GROUP": _mean_of_group,
    "CALL": _call,
}


def run(
    instruction: Instruction,
    arrays: Sequence[Array],
    inputs: Mapping[str, Array],
    sizes: Sizes,
    dtype: np.dtype,
) -> Array:
    """The value of one instruction, from the arrays of its sources."""
    op, _, parameter = instruction
    if op == "INPUT":
        return inputs[parameter]
    if op == "CONSTANT":
        return np.full((1, 1, 1), parameter, dtype)
    if (ufunc := _UFUNCS.get(op)) is not None:
        return ufunc(*arrays)
    return _OTHERS[op](*arrays, parameter, sizes)


class Program:
    """Instructions in order; each has the values of earlier ones as sources.

    Equal instructions share one value. A value is a number, the position of its instruction.
    """

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self._positions: dict[Instruction, int] = {}

    def add(self, op: str, *sources: int, parameter: Any = None) -> int:
        """Appends an instruction, unless an equal one is there; returns its value."""
        instruction = Instruction(op, sources, parameter)
        if instruction not in self._positions:
            self._positions[instruction] = len(self.instructions)
            self.instructions.append(instruction)
        return self._positions[instruction]

    def constant(self, number: float) -> int:
        """A constant."""
        return self.add("CONSTANT", parameter=number)

    def input(self, name: str) -> int:
        """An argument of the program."""
        return self.add("INPUT", parameter=name)

    def axes(self) -> list[Axes]:
        """The axes along which each value varies."""
        axes: list[Axes] = []
        for op, sources, parameter in self.instructions:
            of_sources = [axes[source] for source in sources]
            if op == "INPUT":
                axes.append(EVERYWHERE if parameter in FEATURE_MAPS else PER_CHANNEL)
            elif op == "CALL":
                axes.append(parameter.axes(of_sources))
            else:
                union = frozenset().union(*of_sources)
                axes.append(union - frozenset(parameter) if op in ("SUM", "MEAN") else union)
        return axes

    def needed(self, outputs: Sequence[int], known: Sequence[int]) -> tuple[list[int], list[int]]:
        """The values to compute for the outputs, in order, and the known ones that they need."""
        given, needed, stack = set(known), set(), list(outputs)
        while stack:
            value = stack.pop()
            if value not in needed:
                needed.add(value)
                stack.extend(self.instructions[value].sources if value not in given else ())
        return sorted(needed - given), sorted(needed & given)


class Compiled:
    """The part of a program that some of its values need, ready to run on NumPy arrays.

    Args:
      program: the program.
      outputs: the values to compute.
      known: values that need not be computed.

    Attributes:
      known: those of the known values that it needs, which every call is given.
    """

    def __init__(self, program: Program, outputs: Sequence[int], known: Sequence[int] = ()):
        needed, self.known = program.needed(outputs, known)
        self._outputs = list(outputs)
        self._steps = [(value, program.instructions[value]) for value in needed]
        self._last_use = self._find_last_uses()

    def __call__(
        self, inputs: Mapping[str, Array], sizes: Sizes, known: Sequence[Array] = ()
    ) -> list[Array]:
        """Returns the outputs, whose axes may have size 1.

        Args:
          inputs: the arguments by name, of rank 3 and one dtype.
          sizes: of the layer's input.
          known: arrays of the known values.
        """
        dtype = next(iter(inputs.values())).dtype
        values = dict(zip(self.known, known, strict=True))
        own: set[int] = set()  # values in arrays that no other value shares
        with np.errstate(all="ignore"):
            for (value, instruction), unused in zip(self._steps, self._last_use, strict=True):
                op, sources, _ = instruction
                if (ufunc := _UFUNCS.get(op)) is not None:
                    arrays = [values[source] for source in sources]
                    free = [source for source in unused if source in own]
                    values[value] = ufunc(*arrays, out=_target(arrays, sources, free))
                    own.add(value)
                else:
                    arrays = [values[source] for source in sources]
                    values[value] = run(instruction, arrays, inputs, sizes, dtype)
                    # It may be one of the sources itself.
                    own.difference_update(sources)
                for last in unused:
                    del values[last]
        return [values[output] for output in self._outputs]

    def _find_last_uses(self) -> list[list[int]]:
        """After each step, the values that no later one needs, whose memory can be used again."""
        seen = set(self._outputs)
        unused = []
        for _, instruction in reversed(self._steps):
            unused.append([source for source in {*instruction.sources} if source not in seen])
            seen.update(instruction.sources)
        return unused[::-1]


def _target(arrays: Sequence[Array], sources: Sequence[int], free: Sequence[int]) -> Array | None:
    """The array of a free source that has the shape of the result; None without one."""
    for array, source in zip(arrays, sources, strict=True):
        if source in free and all(
            size >= other
            for each in arrays
            for size, other in zip(array.shape, each.shape, strict=True)
        ):
            return array
    return None
