"""Facts that hold for the values of a node, whatever the input and the vectors are."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from evonorm_tf.graph import ops

# The channels are two axes: the groups of (w, h, c/g), and the channels in a group.
BATCH, PLACES, GROUPS, CHANNELS = "batch", "places", "groups", "channels of a group"
AXES = {
    "BWH": frozenset({BATCH, PLACES}),
    "WHC": frozenset({PLACES, GROUPS, CHANNELS}),
    "WH": frozenset({PLACES}),
    "WHCQ": frozenset({PLACES, CHANNELS}),
}
_NEVER_NEGATIVE = frozenset({"SIGMOID", "EXP", "ABS", "SQUARE", "RMS", "STD"})
_KEEPS_SIGN = frozenset({"ADD", "MUL", "DIV", "SQRT", "TANH", "MEAN"})


class Facts(NamedTuple):
    """What is known about a node.

    Attributes:
      varies: the axes along which its values can differ.
      reads_input: whether it depends on x; the others are made of v0, v1 and constants.
      is_nonnegative: whether no value is negative.
      is_large: whether every value is at least EPSILON in size. DIV, SQRT and LOG bound what is
        smaller, and are exact on these.
      constant: its value, if that is a number; None if it depends on x, v0 or v1.
    """

    varies: frozenset[str]
    reads_input: bool = False
    is_nonnegative: bool = False
    is_large: bool = False
    constant: float | None = None


_VECTOR = Facts(frozenset({GROUPS, CHANNELS}))
# The facts about x, 0, v0 and v1.
INITIAL = (
    Facts(frozenset({BATCH, PLACES, GROUPS, CHANNELS}), reads_input=True),
    Facts(frozenset(), is_nonnegative=True, constant=0.0),
    _VECTOR,
    _VECTOR,
)


def of_node(op: str, index_set: str | None, inputs: Sequence[Facts]) -> Facts:
    """The facts about a node, from those about its inputs."""
    value = _constant(op, index_set, inputs)
    if value is not None:
        return Facts(frozenset(), False, value >= 0, abs(value) >= ops.EPSILON, value)
    varies = frozenset().union(*(each.varies for each in inputs))
    return Facts(
        varies - AXES[index_set] if index_set else varies,
        any(each.reads_input for each in inputs),
        _is_nonnegative(op, inputs),
        _is_large(op, inputs),
    )


def of_graph(graph: Any) -> list[Facts]:
    """The facts about all nodes of a graph, x, 0, v0 and v1 included."""
    known = [*INITIAL]
    for node in graph.nodes:
        known.append(of_node(node.op, node.index_set, [known[i] for i in node.inputs]))
    return known


def _is_nonnegative(op: str, inputs: Sequence[Facts]) -> bool:
    if op == "MAX":
        return any(each.is_nonnegative for each in inputs)
    keeps = op in _KEEPS_SIGN and all(each.is_nonnegative for each in inputs)
    return keeps or op in _NEVER_NEGATIVE


def _is_large(op: str, inputs: Sequence[Facts]) -> bool:
    positive = [each.is_large and each.is_nonnegative for each in inputs]
    if op == "ADD":
        return any(positive) and all(each.is_nonnegative for each in inputs)
    if op == "MAX":
        return any(positive)
    if op == "MEAN":
        return all(positive)
    # RMS and STD are roots of a sum with EPSILON, so at least sqrt(EPSILON).
    return op in ("RMS", "STD") or (op in ("NEG", "ABS", "SQRT") and inputs[0].is_large)


def _constant(op: str, index_set: str | None, inputs: Sequence[Facts]) -> float | None:
    values = [each.constant for each in inputs if each.constant is not None]
    # In inference moving averages of (b, w, h) have other initial values, and converge to these.
    if op not in _VALUES or len(values) < len(inputs):
        return None
    if index_set == "BWH" and (op, *values) != ("MEAN", 0.0):
        return None
    try:
        value = _VALUES[op](*values)
    except OverflowError:  # exp(65536)
        return None
    return value if math.isfinite(value) else None


def _quotient(a: float, b: float) -> float:
    return a / (b if abs(b) > ops.EPSILON else ops.EPSILON if b >= 0 else -ops.EPSILON)


def _logarithm(a: float) -> float:
    return math.copysign(1, a) * math.log(max(abs(a), ops.EPSILON)) if a else 0.0


def _sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a))


# The values of the primitives, with their bounds.
_VALUES: dict[str, Callable[..., float]] = {
    "ADD": lambda a, b: a + b,
    "MUL": lambda a, b: a * b,
    "DIV": _quotient,
    "MAX": max,
    "NEG": lambda a: -a,
    "SIGMOID": _sigmoid,
    "TANH": math.tanh,
    "EXP": math.exp,
    "LOG": _logarithm,
    "ABS": abs,
    "SQUARE": lambda a: a * a,
    "SQRT": lambda a: a / math.sqrt(max(abs(a), ops.EPSILON)),
    "MEAN": lambda a: a,
    "RMS": lambda a: math.sqrt(a * a + ops.EPSILON),
    "STD": lambda a: math.sqrt(ops.EPSILON),
}
