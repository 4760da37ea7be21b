"""The kernels of a compiled XLA program, and the bytes that each moves, from the program's text.

The compiler's final text has one instruction of ENTRY for each kernel. A kernel reads its operands
from the device's memory and writes its result there, so the shapes of both say how much it
moves. What a cache serves is counted too. Two operands that are one array count once, and an
operand of which a kernel takes only slices counts as these.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_BITS = {"pred": 8, "bf16": 16, "token": 0, "opaque": 0}
_SHAPE = re.compile(r"(pred|token|opaque|bf16|[a-z]\d+[a-z0-9]*)\[([\d,]*)\]")
_NAME = re.compile(r"%[\w.\-]+")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?(%[\w.\-]+) = (.+)$")
_COMPUTATION = re.compile(r"^(ENTRY )?(%[\w.\-]+) .*\{$")
_CALLED = re.compile(r"to_apply=(%[\w.\-]+)")
_FUSED = re.compile(r"calls=(%[\w.\-]+)")
_INDEX = re.compile(r"index=(\d+)")
# These name an existing value, and run nothing.
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}


class Kernel(NamedTuple):
    """One instruction that runs on the device.

    Attributes:
      name, opcode: as the compiler writes them.
      read, written: bytes of the operands and of the result.
    """

    name: str
    opcode: str
    read: int
    written: int

    @property
    def bytes(self) -> int:
        """All that it moves."""
        return self.read + self.written


def kernels(text: str) -> list[Kernel]:
    """The kernels of a scheduled program, in its order.

    Raises:
      ValueError: for a text without an ENTRY computation.
    """
    computations, entry = _computations(text)
    if entry is None:
        raise ValueError("`text` must be an HLO module with an ENTRY computation.")
    return list(_kernels(computations, entry))


def _kernels(computations: dict[str, list[str]], name: str) -> Iterator[Kernel]:
    sizes: dict[str, int] = {}
    parts: dict[str, list[str]] = {}  # of tuples
    arrays: dict[str, str] = {}  # names of an array, and the first of them
    for line in computations[name]:
        result, rest = _INSTRUCTION.findall(line)[0]
        shape, opcode, text = _parts(rest)
        operands = [arrays.get(operand, operand) for operand in _NAME.findall(text)]
        sizes[result] = size_of(shape)
        if opcode == "tuple":
            parts[result] = operands
        elif opcode == "bitcast":
            arrays[result] = operands[0]
        elif opcode == "get-tuple-element" and operands[0] in parts:
            arrays[result] = parts[operands[0]][int(_INDEX.findall(rest)[0])]
        if opcode == "call":  # launched together, as one graph of kernels
            yield from _kernels(computations, _CALLED.findall(rest)[0])
        elif opcode not in _FREE and not opcode.endswith("-done"):
            fused = _FUSED.findall(rest) if opcode == "fusion" else []
            sliced = _sliced(computations.get(fused[0], [])) if fused else {}
            read: dict[str, int] = {}
            for number, operand in enumerate(operands):
                size = sliced.get(number, sizes[operand])
                read[operand] = max(size, read.get(operand, 0))
            yield Kernel(result[1:], opcode, sum(read.values()), sizes[result])


def _sliced(fused: list[str]) -> dict[int, int]:
    """Bytes of the slices of a kernel's parameters, by number, that it does nothing else with."""
    numbers: dict[str, int] = {}
    slices: dict[str, int] = {}
    whole = set()
    for line in fused:
        result, rest = _INSTRUCTION.findall(line)[0]
        shape, opcode, text = _parts(rest)
        if opcode == "parameter":
            numbers[result] = int(text.strip("()"))
        for operand in _NAME.findall(text):
            if opcode == "slice":
                slices[operand] = slices.get(operand, 0) + size_of(shape)
            else:
                whole.add(operand)
    return {numbers[name]: size for name, size in slices.items() if name in numbers.keys() - whole}


def _computations(text: str) -> tuple[dict[str, list[str]], str | None]:
    """The instructions' lines of each computation, and ENTRY's name."""
    found: dict[str, list[str]] = {}
    entry, current = None, None
    for line in text.splitlines():
        if heading := _COMPUTATION.match(line):
            current = heading.group(2)
            found[current] = []
            entry = current if heading.group(1) else entry
        elif current is not None and _INSTRUCTION.match(line):
            found[current].append(line)
    return found, entry


def _parts(rest: str) -> tuple[str, str, str]:
    """Shape, opcode and operands of what follows an instruction's "="."""
    end = _closing(rest, 0) if rest.startswith("(") else rest.index(" ")
    shape, rest = rest[:end], rest[end:].lstrip()
    start = rest.index("(")
    return shape, rest[:start], rest[start : _closing(rest, start)]


def _closing(text: str, start: int) -> int:
    """The place after the parenthesis that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place + 1
    raise ValueError(f"a parenthesis is not closed in {text!r}")


def size_of(shape: str) -> int:
    """Bytes of a shape as HLO writes it, such as "f32[32,128]{1,0}", or of a tuple of them."""
    return sum(
        math.prod(int(size) for size in sizes.split(",") if size) * _bits(kind) // 8
        for kind, sizes in _SHAPE.findall(shape)
    )


def _bits(kind: str) -> int:
    return _BITS[kind] if kind in _BITS else int(re.findall(r"\d+", kind)[0])
