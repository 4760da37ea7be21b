"""`plan`: a program as a few passes over feature maps, and small instructions between them.

A feature map varies in all three axes; every other value is small, and what makes small values of
feature maps is a sum over places. A pass goes once over the feature maps in memory, in blocks that
stay in the processor's cache. It computes all that its results need, even if an earlier pass has
computed that too: this takes less time than memory does.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from search.evaluation.engine.instructions import (
    CHANNELS,
    FEATURE_MAPS,
    PLACES,
    Array,
    Axes,
    Instruction,
    Program,
)

# Of feature maps, in the order of the enumeration in source/passes.c.
OPERATIONS = (
    *("NEG", "EXP", "LOG", "TANH", "ABS", "SIGN", "SQRT", "SQUARE", "SIGMOID", "DIVISOR", "COPY"),
    *("ADD", "SUB", "MUL", "DIV", "MAX", "AT_LEAST", "WHERE", "WHERE_NOT", "SUM"),
)
_TO_NUMBER = {name: number for number, name in enumerate(OPERATIONS)}
_REDUCTIONS = ("SUM", "MEAN")


class NotFusableError(Exception):
    """A program has an instruction on feature maps that no pass can run."""


class Pass(NamedTuple):
    """One way through the feature maps.

    Attributes:
      read: the feature maps that it reads, which are inputs of the program.
      written: the feature maps that it writes, which are outputs.
      smalls: the small values that it reads.
      sums: the feature maps whose sums over places it makes.
      steps: (steps, 4), each an operation, and the numbers of its target and its two sources among
        the feature maps that are read, those that are written, the small values and the registers.
        The target of a SUM is its number among `sums`.
      registers: how many there are.
    """

    read: list[int]
    written: list[int]
    smalls: list[int]
    sums: list[int]
    steps: Array
    registers: int


class Stage(NamedTuple):
    """Small values to compute, which need the sums of earlier stages, and then a pass."""

    small: list[int]
    then: Pass | None


class Factor(NamedTuple):
    """NEG, or MUL or DIV and the small value by which a feature map is multiplied or divided."""

    op: str
    smalls: list[int]


class Multiple(NamedTuple):
    """A feature map as another one, `of`, times factors; so are their sums over places."""

    of: int
    factors: list[Factor]


class Plan(NamedTuple):
    """How a program runs: its stages, and what each small value that is a sum or a mean sums up."""

    stages: list[Stage]
    summed: dict[int, Multiple]


def plan(
    program: Program, axes: Sequence[Axes], outputs: Sequence[int], needed: Sequence[int]
) -> Plan:
    """How the needed values are computed.

    Args:
      program: the program.
      axes: what its `axes` returns.
      outputs: the values that a call returns.
      needed: the values to compute, in order.

    Raises:
      NotFusableError: for a program with registered primitives, for example.
    """
    of = program.instructions
    for value in needed:
        _check(of[value], axes[value], [axes[source] for source in of[value].sources])
    is_map = [PLACES in each for each in axes]
    summed = {
        value: _multiple(program, is_map, of[value].sources[0])
        for value in needed
        if not is_map[value] and any(is_map[source] for source in of[value].sources)
    }
    stage = _stages(program, needed, summed)
    stages = []
    for number in range(max(stage.values(), default=0) + 1):
        small = [value for value in needed if stage[value] == number and not is_map[value]]
        sums = {each.of for each in summed.values() if stage[each.of] == number}
        written = {value for value in outputs if is_map[value] and stage[value] == number}
        targets = sums | written
        then = _pass(program, is_map, sorted(sums), sorted(written)) if targets else None
        stages.append(Stage(small, then))
    return Plan(stages, summed)


def _multiple(program: Program, is_map: list[bool], value: int) -> Multiple:
    factors: list[Factor] = []
    while True:
        op, sources, _ = program.instructions[value]
        maps = [source for source in sources if is_map[source]]
        # A quotient is a multiple of its dividend alone.
        possible = op in ("NEG", "MUL") or (op == "DIV" and is_map[sources[0]])
        if not possible or len(maps) > 1:
            return Multiple(value, factors[::-1])
        factors.append(Factor(op, [source for source in sources if not is_map[source]]))
        value = maps[0]


def _stages(
    program: Program, needed: Sequence[int], summed: Mapping[int, Multiple]
) -> dict[int, int]:
    """The number of each value's stage: that of its sources, or the one after a sum's."""
    stage: dict[int, int] = {}
    for value in needed:
        sources = program.instructions[value].sources
        first = 0
        if value in summed:
            of, factors = summed[value]
            first = stage[of] + 1
            sources = tuple(small for factor in factors for small in factor.smalls)
        stage[value] = max([first, *(stage.get(source, 0) for source in sources)])
    return stage


def _check(instruction: Instruction, axes: Axes, of_sources: Sequence[Axes]) -> None:
    """Raises NotFusableError for what neither a pass nor NumPy can do with feature maps."""
    op, _, parameter = instruction
    if op == "CALL":
        raise NotFusableError(str(parameter))
    if not any(PLACES in each for each in of_sources):
        return
    if PLACES in axes:
        possible = op in _TO_NUMBER and op != "SUM"
    else:
        possible = op in _REDUCTIONS and PLACES in parameter
    if not possible or any(PLACES in each and CHANNELS not in each for each in of_sources):
        raise NotFusableError(op)


class _Registers:
    """Numbers of registers, from `first` on, of which few are in use at once."""

    def __init__(self, first: int):
        self._first, self._free, self.count = first, list[int](), 0

    def take(self) -> int:
        """One that is not in use."""
        if not self._free:
            self._free.append(self._first + self.count)
            self.count += 1
        return self._free.pop()

    def end(self, numbers: Iterable[int]) -> None:
        """Ends the use of those numbers that are registers."""
        self._free.extend(number for number in numbers if number >= self._first)


def _pass(program: Program, is_map: list[bool], sums: list[int], written: list[int]) -> Pass:
    computed, read, smalls = _ancestors(program, is_map, [*sums, *written])
    number = {value: at for at, value in enumerate([*read, *written, *smalls])}
    # A feature map that is read and an output too is copied to where it is written.
    copied = [(number[value], at) for at, value in enumerate(read) if value in written]
    number |= {value: at for at, value in enumerate(read)}
    steps = [(_TO_NUMBER["COPY"], target, source, source) for target, source in copied]
    registers = _Registers(len(read) + len(written) + len(smalls))
    unused = _unused_after(program, computed)
    for value in [*read, *computed]:
        if value in unused:
            op, sources, _ = program.instructions[value]
            if value not in number:
                number[value] = registers.take()
            a, b = number[sources[0]], number[sources[-1]]
            steps.append((_TO_NUMBER[op], number[value], a, b))
        if value in sums:
            steps.append((_TO_NUMBER["SUM"], sums.index(value), number[value], number[value]))
        # Only now, so that no target is one of the sources, which the C code relies on.
        registers.end(number[each] for each in unused.get(value, ()))
    return Pass(read, written, smalls, sums, np.array(steps, np.int32), registers.count)


def _unused_after(program: Program, computed: list[int]) -> dict[int, set[int]]:
    """For each computed value, the values that no later one needs."""
    needed_later: set[int] = set()
    unused = {}
    for value in reversed(computed):
        used = {value, *program.instructions[value].sources}
        unused[value] = used - needed_later
        needed_later |= used
    return unused


def _ancestors(
    program: Program, is_map: list[bool], targets: list[int]
) -> tuple[list[int], list[int], list[int]]:
    """The feature maps to compute for the targets, those to read, and the small values to read."""
    computed, read, smalls, stack = set(), set(), set(), list(targets)
    while stack:
        value = stack.pop()
        if not is_map[value]:
            smalls.add(value)
        elif program.instructions[value].parameter in FEATURE_MAPS:
            read.add(value)
        elif value not in computed:
            computed.add(value)
            stack.extend(program.instructions[value].sources)
    return sorted(computed), sorted(read), sorted(smalls)
