"""The primitives: those of the paper (section 3, table 2), and those that `register` adds.

The paper has twelve element-wise operations, and three aggregations over each of four index sets:
24 primitives in all. Nothing here needs TensorFlow.
"""

import dataclasses
import re
import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

INPUT, ZERO, V0, V1 = range(4)
NUM_INITIAL_NODES = 4
INITIAL_NODE_NAMES = ("x", "0", "v0", "v1")

ELEMENTWISE_ARITY = {
    "ADD": 2,
    "MUL": 2,
    "DIV": 2,
    "MAX": 2,
    "NEG": 1,
    "SIGMOID": 1,
    "TANH": 1,
    "EXP": 1,
    "LOG": 1,
    "ABS": 1,
    "SQUARE": 1,
    "SQRT": 1,
}
AGGREGATIONS = ("MEAN", "RMS", "STD")
ARITY = {**ELEMENTWISE_ARITY, **dict.fromkeys(AGGREGATIONS, 1)}
COMMUTATIVE = frozenset({"ADD", "MUL", "MAX"})
INDEX_SETS = ("BWH", "WHC", "WH", "WHCQ")
# Index sets as formulas write them.
AXES_IN_FORMULAS = {"BWH": "b,w,h", "WHC": "w,h,c", "WH": "w,h", "WHCQ": "w,h,c/g"}
# Added inside the roots of RMS and STD; DIV, LOG and SQRT are bounded by it near 0.
EPSILON = 1e-5


class UnknownOpError(ValueError):
    """An operation is neither one of the paper nor registered."""


class Primitive(NamedTuple):
    """An operation of the paper or a registered one and, for an aggregation, its index set."""

    op: str
    index_set: str | None = None

    @property
    def arity(self) -> int:
        """Number of inputs."""
        return arity(self.op)

    @property
    def uses_batch(self) -> bool:
        """Whether the result for one example depends on the others in its batch."""
        return self.index_set == "BWH"


PRIMITIVES = tuple(Primitive(op) for op in ELEMENTWISE_ARITY) + tuple(
    Primitive(op, index_set) for op in AGGREGATIONS for index_set in INDEX_SETS
)


_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,31}")


@dataclasses.dataclass(frozen=True)
class Registered:
    """A primitive that `register` has added; the fields are its arguments."""

    name: str
    arity: int
    function: Callable[..., Any]
    formula: str
    latex: str
    aggregation: bool


_registered: dict[str, Registered] = {}


def register(
    name: str,
    *,
    function: Callable[..., Any],
    arity: int = 1,
    formula: str | None = None,
    latex: str | None = None,
    aggregation: bool = False,
) -> None:
    """Adds a primitive, for layer graphs and for the search; it lasts as long as the process.

    An element-wise primitive is a function of one or two tensors, which broadcast, that works
    element by element. An aggregation is a function of a tensor and of the axes to aggregate over,
    which keep size 1; one function serves all four index sets. Tensors are float32 or float64, and
    the result has their dtype. TensorFlow differentiates the function: twice, in the search.

    Args:
      name: capital letters, digits and underscores, at most 32; a letter comes first.
      function: computes the primitive with TensorFlow's operations. It is called where a layer
        runs, so it can import TensorFlow itself, and this module does not.
      arity: number of inputs: 1 or 2; 1 for an aggregation.
      formula: how formulas write it, with {} for each input; an aggregation has {axes} too. It
        must read as one term, such as a function's call. Default: the name in small letters.
      latex: the same as LaTeX, where each brace of LaTeX's own is written twice.
      aggregation: whether it is an aggregation. Its moving average over (b, w, h) starts at 1.

    Raises:
      ValueError: for a wrong argument, or a name that is taken. What is registered already may be
        registered again, but not with another function or text, since layers may use it.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.ops.register("ATAN", function=lambda x: tf.math.atan(x), formula="atan({})")
      >>> graph = en.LayerGraph((en.Node("ATAN", (0,)), en.Node("MUL", (0, 4))))
      >>> graph.formula()
      'x * atan(x) * gamma + beta'
      >>> en.GraphLayer(graph)(tf.ones([2, 8, 8, 16])).shape
      TensorShape([2, 8, 8, 16])
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            "`name` must be capital letters, digits and underscores, a letter first, at most 32. "
            f"Received: name={name!r}"
        )
    if type(arity) is not int or arity not in (1, 2) or (aggregation and arity != 1):
        raise ValueError(
            f"`arity` of {name} must be 1 or 2, and 1 for an aggregation. Received: arity={arity!r}"
        )
    if not callable(function):
        raise ValueError(f"`function` of {name} must be callable. Received: {function!r}")
    plain_default, latex_default = _default_forms(name, arity, aggregation)
    formula = plain_default if formula is None else formula
    latex = latex_default if latex is None else latex
    for argument, form in (("formula", formula), ("latex", latex)):
        _check_form(argument, name, form, arity, aggregation)
    if name in ARITY:
        raise ValueError(f"`name` must not be taken. Received: {name}, a primitive of the paper")
    added = Registered(name, arity, function, formula, latex, bool(aggregation))
    if not _is_same(_registered.setdefault(name, added), added):
        raise ValueError(
            f"`name` must not be taken. Received: {name}, which is registered already with another "
            "function or text: choose another name, or start Python again"
        )


def registered(op: str) -> Registered | None:
    """What `register` was given for a primitive; None for one of the paper."""
    return _registered.get(op)


def names() -> tuple[str, ...]:
    """All operations: those of the paper, then the registered ones."""
    return (*ARITY, *_registered)


def arity(op: str) -> int:
    """Number of inputs of an operation."""
    return ARITY[op] if op in ARITY else _registered[op].arity


def is_aggregation(op: str) -> bool:
    """Whether an operation aggregates over an index set."""
    return op in AGGREGATIONS or (op in _registered and _registered[op].aggregation)


def check_op(op: object) -> None:
    """Raises UnknownOpError unless `op` is an operation of the paper or a registered one."""
    if not isinstance(op, str) or (op not in ARITY and op not in _registered):
        raise UnknownOpError(
            f"`op` must be one of {', '.join(names())}; another primitive has to be registered "
            f"first, with evonorm_tf.ops.register. Received: op={reprlib.repr(op)}"
        )


def check_primitive(op: str, index_set: str | None) -> None:
    """Raises ValueError unless `op` with `index_set` is a primitive of the paper or registered."""
    check_op(op)
    if is_aggregation(op) and index_set not in INDEX_SETS:
        raise ValueError(
            f"`index_set` of the aggregation {op} must be one of {', '.join(INDEX_SETS)}. "
            f"Received: index_set={index_set!r}"
        )
    if not is_aggregation(op) and index_set is not None:
        raise ValueError(
            f"`index_set` must be absent for the element-wise {op}. "
            f"Received: index_set={index_set!r}"
        )


def _default_forms(name: str, arity: int, aggregation: bool) -> tuple[str, str]:
    """The name in small letters as a function of its inputs, in plain text and in LaTeX."""
    word, inputs = name.lower(), ", ".join(["{}"] * arity)
    escaped = word.replace("_", r"\_")
    axes = "_{{{axes}}}" if aggregation else ""
    return (
        f"{word}{axes}({inputs})",
        rf"\mathrm{{{{{escaped}}}}}{axes}\left({inputs}\right)",
    )


def _check_form(argument: str, name: str, form: object, arity: int, aggregation: bool) -> None:
    marks = [f"@{place}@" for place in range(arity)]
    axes = {"axes": "@axes@"} if aggregation else {}
    try:
        text = str(form).format(*marks, **axes)
    except (IndexError, KeyError, ValueError, AttributeError):
        text = ""
    if not isinstance(form, str) or not all(mark in text for mark in (*marks, *axes.values())):
        needed = ", ".join([*["{}"] * arity, *(f"{{{key}}}" for key in axes)])
        raise ValueError(
            f"`{argument}` of {name} must be a text with {needed}, in which every other brace is "
            f"written twice. Received: {argument}={form!r}"
        )


def _is_same(one: Registered, other: Registered) -> bool:
    """Whether two registrations are equal; a module that is loaded again makes equal functions."""
    has_same_function = one.function is other.function or (
        getattr(one.function, "__closure__", other) is None
        and all(
            getattr(one.function, part) == getattr(other.function, part, one)
            for part in ("__code__", "__defaults__", "__kwdefaults__", "__closure__", "__module__")
        )
    )
    return has_same_function and one == dataclasses.replace(other, function=one.function)
