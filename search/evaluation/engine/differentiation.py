"""Reverse-mode differentiation of programs into more instructions."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evonorm_tf.graph import ops
from search.evaluation.engine.instructions import CHANNELS, Axes, Instruction, Program


class Upstream(NamedTuple):
    """The upstream gradient of a value, and the axes of the array that the value stands for."""

    value: int
    gradient: int
    axes: Axes


def gradients(
    program: Program, upstream: Sequence[Upstream], sources: Sequence[int]
) -> list[int | None]:
    """Appends to a program the vector-Jacobian product of some of its values.

    A gradient may have size 1 along an axis: it is then the same for each element there.

    Args:
      program: the program.
      upstream: of the values to differentiate.
      sources: the values to differentiate for.

    Returns:
      For each source its gradient, or None where it has no influence.
    """
    axes = program.axes()
    influenced = _influenced(program, sources)
    totals: dict[int, int] = {}

    def accumulate(value: int, gradient: int, over: Axes) -> None:
        """Adds a gradient, which is first summed over the axes that `value` lacks."""
        if lacking := tuple(sorted(over - axes[value])):
            gradient = program.add("SUM", gradient, parameter=lacking)
        old = totals.get(value)
        totals[value] = gradient if old is None else program.add("ADD", old, gradient)

    for each in upstream:
        accumulate(*each)
    for value in reversed(range(max(totals) + 1)):
        instruction = program.instructions[value]
        if value not in totals or instruction.op not in _RULES:
            continue
        parts = _RULES[instruction.op](program, instruction, value, totals[value], axes)
        for place, (source, part) in enumerate(zip(instruction.sources, parts, strict=True)):
            if part is not None and source in influenced:
                accumulate(source, part, _over(instruction, value, place, axes))
    return [totals.get(source) for source in sources]


def _over(instruction: Instruction, value: int, place: int, axes: list[Axes]) -> Axes:
    """The axes of the array that the gradient for the source at a place stands for."""
    if instruction.op in _REDUCTIONS:
        return frozenset()
    if instruction.op == "CALL":
        arguments = [axes[each] for each in (*instruction.sources, value)]
        return instruction.parameter.gradient(place).axes(arguments)
    return axes[value]


def _influenced(program: Program, sources: Sequence[int]) -> set[int]:
    """The values that depend on any of the sources, and these."""
    influenced = set(sources)
    for value, instruction in enumerate(program.instructions):
        if influenced.intersection(instruction.sources):
            influenced.add(value)
    return influenced


# (program, instruction, its value, upstream gradient, axes) -> a gradient for each source. Those of
# element-wise instructions are summed by `gradients` over the axes that a source lacks.
_Rule = Callable[[Program, Instruction, int, int, list[Axes]], Sequence[int | None]]


def _negated(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [program.add("NEG", upstream)]


def _exponential(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [program.add("MUL", upstream, value)]


def _logarithm(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [program.add("DIV", upstream, *instruction.sources)]


def _tanh(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    slope = program.add("SUB", program.constant(1.0), program.add("SQUARE", value))
    return [program.add("MUL", upstream, slope)]


def _sigmoid(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    rest = program.add("SUB", program.constant(1.0), value)
    return [program.add("MUL", upstream, program.add("MUL", value, rest))]


def _absolute(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [program.add("MUL", upstream, program.add("SIGN", *instruction.sources))]


def _square_root(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    half = program.add("MUL", program.constant(0.5), upstream)
    return [program.add("DIV", half, value)]


def _square(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    twice = program.add("MUL", program.constant(2.0), *instruction.sources)
    return [program.add("MUL", upstream, twice)]


def _sum_of_two(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [upstream, upstream]


def _difference(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [upstream, program.add("NEG", upstream)]


def _product(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    first, second = instruction.sources
    return [program.add("MUL", upstream, second), program.add("MUL", upstream, first)]


def _quotient(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    _, divisor = instruction.sources
    share = program.add("DIV", upstream, divisor)
    return [share, program.add("NEG", program.add("MUL", share, value))]


def _maximum(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    mask = program.add("AT_LEAST", *instruction.sources)
    return [program.add("WHERE", mask, upstream), program.add("WHERE_NOT", mask, upstream)]


def _divisor(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    magnitude = program.add("ABS", *instruction.sources)
    is_small = program.add("AT_LEAST", program.constant(ops.EPSILON), magnitude)
    return [program.add("WHERE_NOT", is_small, upstream)]


def _kept(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [None, program.add(instruction.op, instruction.sources[0], upstream)]


def _total(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    # A source that does not vary along an axis has been counted once for each element there.
    constant = axes[instruction.sources[0]]
    repeated = tuple(sorted(set(instruction.parameter) - constant))
    return [program.add("SUM", upstream, parameter=repeated) if repeated else upstream]


def _mean(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    averaged = tuple(sorted(axes[instruction.sources[0]] & set(instruction.parameter)))
    return [program.add("SHARE", upstream, parameter=averaged) if averaged else upstream]


def _share(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    return [program.add("SHARE", upstream, parameter=instruction.parameter)]


def _mean_of_group(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    varies = CHANNELS in axes[instruction.sources[0]]
    return [program.add("MEAN_OF_GROUP", upstream) if varies else upstream]


def _called(
    program: Program, instruction: Instruction, value: int, upstream: int, axes: list[Axes]
) -> Sequence[int | None]:
    sources, call = instruction.sources, instruction.parameter
    return [
        program.add("CALL", *sources, upstream, parameter=call.gradient(place))
        for place in range(len(sources))
    ]


_REDUCTIONS = {"SUM": _total, "MEAN": _mean, "SHARE": _share, "MEAN_OF_GROUP": _mean_of_group}
_RULES: dict[str, _Rule] = {
    "NEG": _negated,
    "EXP": _exponential,
    "LOG": _logarithm,
    "TANH": _tanh,
    "SIGMOID": _sigmoid,
    "ABS": _absolute,
    "SQRT": _square_root,
    "SQUARE": _square,
    "ADD": _sum_of_two,
    "SUB": _difference,
    "MUL": _product,
    "DIV": _quotient,
    "MAX": _maximum,
    "DIVISOR": _divisor,
    "WHERE": _kept,
    "WHERE_NOT": _kept,
    "CALL": _called,
    **_REDUCTIONS,
}
