"""Writes layer graphs as formulas, in plain text and in LaTeX."""

import collections
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from evonorm_tf.graph import facts, ops

# Precedence of an expression's outermost operation; lower precedence needs parentheses.
_SUM, _PRODUCT, _POWER, _ATOM = range(4)
# A repeated term longer than this gets a name, and is written out once.
_LONGEST_REPEATED = 12
_CONSTANT_FUNCTIONS: dict[str, Callable[..., float]] = {
    "ADD": lambda a, b: a + b,
    "MUL": lambda a, b: a * b,
    "MAX": max,
    "NEG": lambda a: -a,
    "SIGMOID": lambda a: 1 / (1 + math.exp(-a)),
    "TANH": math.tanh,
    "EXP": math.exp,
    "LOG": lambda a: math.copysign(1, a) * math.log(abs(a)),
    "ABS": abs,
    "SQUARE": lambda a: a * a,
    "SQRT": lambda a: math.copysign(math.sqrt(abs(a)), a),
}


class _Term(NamedTuple):
    """The text of an expression, its precedence, and its value if it is a constant."""

    text: str
    level: int
    constant: float | None = None
    negated: "_Term | None" = None
    is_parameter: bool = False
    is_nonnegative: bool = False
    radicand: "_Term | None" = None


class _Style(NamedTuple):
    """The form of each operation in one notation."""

    initial_nodes: tuple[str, ...]
    parentheses: str
    quotient: str
    quotient_levels: tuple[int, int]
    tight_product: str
    product: str
    functions: dict[str, str]
    square: str
    signed: str
    root: str
    logarithm: str
    mean: str
    variance: str
    affine: str
    named_term: str
    numbered_name: str
    is_latex: bool = False
    # Whether to write sqrt(z) for sign(z)*sqrt(abs(z)) where z is never negative, and no squares of
    # roots.
    is_short: bool = False


_PLAIN = _Style(
    initial_nodes=ops.INITIAL_NODE_NAMES,
    parentheses="({})",
    quotient="{} / {}",
    quotient_levels=(_PRODUCT, _POWER),
    tight_product="{}*{}",
    product="{} * {}",
    functions={
        "MAX": "max({}, {})",
        "SIGMOID": "sigmoid({})",
        "TANH": "tanh({})",
        "EXP": "exp({})",
        "ABS": "abs({})",
    },
    square="{}^2",
    signed="sign({})*{}",
    root="sqrt({})",
    logarithm="ln({})",
    mean="mu_{{{}}}({})",
    variance="s^2_{{{}}}({})",
    affine="{} * gamma + beta",
    named_term=", {} = {}",
    numbered_name="z{}",
)
_LATEX = _Style(
    initial_nodes=("x", "0", "v_0", "v_1"),
    parentheses=r"\left({}\right)",
    quotient=r"\frac{{{}}}{{{}}}",
    quotient_levels=(_SUM, _SUM),
    tight_product="{} {}",
    product=r"{} \, {}",
    functions={
        "MAX": r"\max\left({}, {}\right)",
        "SIGMOID": r"\sigma\left({}\right)",
        "TANH": r"\tanh\left({}\right)",
        "EXP": r"\exp\left({}\right)",
        "ABS": r"\left|{}\right|",
    },
    square="{}^2",
    signed=r"\operatorname{{sign}}\left({}\right) {}",
    root=r"\sqrt{{{}}}",
    logarithm=r"\ln\left({}\right)",
    mean=r"\mu_{{{}}}\left({}\right)",
    variance=r"s^2_{{{}}}\left({}\right)",
    affine=r"{} \gamma + \beta",
    named_term=r", \quad {} = {}",
    numbered_name="z_{{{}}}",
    is_latex=True,
)


def plain(graph: Any, is_short: bool = False) -> str:
    """Writes a graph without dead or repeated nodes as plain text.

    Args:
      graph: the graph.
      is_short: whether to write sqrt(z) for sign(z)*sqrt(abs(z)) where z is never negative, and the
        same for ln; also z or abs(z) for the square of a root.
    """
    return _write(graph, _PLAIN._replace(is_short=is_short))


def latex(graph: Any, is_short: bool = False) -> str:
    """Writes a graph without dead or repeated nodes as LaTeX for math mode, as `plain` does."""
    return _write(graph, _LATEX._replace(is_short=is_short))


def _write(graph: Any, style: _Style) -> str:
    terms = [_Term(name, _ATOM, is_parameter=name.startswith("v")) for name in style.initial_nodes]
    terms[ops.ZERO] = terms[ops.ZERO]._replace(constant=0.0)
    nonnegative = _nonnegative(graph) if style.is_short else frozenset()
    uses = _occurrences(graph, nonnegative)
    repeated: list[tuple[str, str]] = []
    for index, node in enumerate(graph.nodes, start=ops.NUM_INITIAL_NODES):
        term = _term(node, [terms[i] for i in node.inputs], style)
        if uses[index] > 1 and term.constant is None and len(term.text) > _LONGEST_REPEATED:
            repeated.append((f"@{index}@", term.text))
            term = _Term(f"@{index}@", _ATOM)
        terms.append(term._replace(is_nonnegative=index in nonnegative))
    text = style.affine.format(_wrap(terms[-1], _PRODUCT, style))
    return _with_names(text, repeated, style)


def _with_names(text: str, named: list[tuple[str, str]], style: _Style) -> str:
    """Appends the definitions of repeated terms, the outermost first, as z or z1, z2, ..."""
    for mark, definition in reversed(named):
        text += style.named_term.format(mark, definition)
    for number, (mark, _) in enumerate(reversed(named), start=1):
        name = "z" if len(named) == 1 else style.numbered_name.format(number)
        text = text.replace(mark, name)
    return text


def _nonnegative(graph: Any) -> frozenset[int]:
    known = facts.of_graph(graph)
    return frozenset(index for index, each in enumerate(known) if each.is_nonnegative)


def _occurrences(graph: Any, unsigned: frozenset[int]) -> collections.Counter[int]:
    """How often the formula has each node's expression; sign(x)*sqrt|x| has x twice."""
    uses: collections.Counter[int] = collections.Counter()
    for node in graph.nodes:
        for source in node.inputs:
            is_signed = node.op in ("SQRT", "LOG") and source not in unsigned
            uses[source] += 2 if is_signed else 1
    return uses


def _term(node: Any, inputs: list[_Term], style: _Style) -> _Term:
    constants = [term.constant for term in inputs]
    if node.op in _CONSTANT_FUNCTIONS and None not in constants:
        value = _folded(node.op, constants)
        if value is not None:
            return _number(value)
    own = ops.registered(node.op)
    if own is not None:
        axes = ops.AXES_IN_FORMULAS.get(node.index_set)
        form = own.latex if style.is_latex else own.formula
        return _Term(form.format(*(term.text for term in inputs), axes=axes), _ATOM)
    if node.index_set:
        return _moment(node, inputs[0], style)
    writers: dict[str, Callable[..., _Term]] = {
        "ADD": _sum,
        "MUL": _product,
        "DIV": _quotient,
        "NEG": _negation,
        "SQUARE": _square,
        "SQRT": _root,
        "LOG": _logarithm,
    }
    if node.op in writers:
        return writers[node.op](*inputs, style)
    if node.op == "MAX":
        inputs = sorted(inputs, key=lambda term: term.constant is not None)
    return _Term(style.functions[node.op].format(*(term.text for term in inputs)), _ATOM)


def _folded(op: str, constants: list[Any]) -> float | None:
    """The value if six digits represent it exactly: exp(0) becomes 1, exp(1) stays exp(1)."""
    try:
        value = _CONSTANT_FUNCTIONS[op](*constants)
    except (OverflowError, ValueError):  # exp(65536), ln(0)
        return None
    return value if float(f"{value:.6g}") == value else None


def _number(value: float) -> _Term:
    if value < 0:
        return _Term(f"-{-value:.6g}", _SUM, constant=value, negated=_number(-value))
    return _Term(f"{abs(value):.6g}", _ATOM, constant=abs(value))  # abs: no "-0"


def _wrap(term: _Term, level: int, style: _Style) -> str:
    return term.text if term.level >= level else style.parentheses.format(term.text)


def _sum(left: _Term, right: _Term, style: _Style) -> _Term:
    # Constants and negated terms come last: x + 1, R - x.
    if left.constant is not None or (left.negated and not right.negated):
        left, right = right, left
    if right.constant == 0:
        return left
    if right.negated:
        return _Term(f"{left.text} - {_wrap(right.negated, _PRODUCT, style)}", _SUM)
    return _Term(f"{left.text} + {right.text}", _SUM)


def _product(left: _Term, right: _Term, style: _Style) -> _Term:
    # Constants and parameters come first: 2*x, v1*x.
    if left.constant is None and (
        right.constant is not None or (right.is_parameter and not left.is_parameter)
    ):
        left, right = right, left
    if left.constant == 1:
        return right
    if left.constant == -1:
        return _negation(right, style)
    if left.text == right.text:
        return _square(left, style)
    tight = all(term.is_parameter or term.text.isalnum() for term in (left, right))
    form = style.tight_product if tight else style.product
    texts = (_wrap(left, _PRODUCT, style), _wrap(right, _PRODUCT, style))
    return _Term(form.format(*texts), _PRODUCT)


def _quotient(top: _Term, bottom: _Term, style: _Style) -> _Term:
    if bottom.constant == 1:
        return top
    levels = style.quotient_levels
    texts = (_wrap(top, levels[0], style), _wrap(bottom, levels[1], style))
    return _Term(style.quotient.format(*texts), _PRODUCT)


def _negation(term: _Term, style: _Style) -> _Term:
    if term.negated:
        return term.negated
    return _Term(f"-{_wrap(term, _PRODUCT, style)}", _SUM, negated=term)


def _square(term: _Term, style: _Style) -> _Term:
    if style.is_short and term.radicand:
        return term.radicand
    return _Term(style.square.format(_wrap(term, _ATOM, style)), _POWER)


def _root(term: _Term, style: _Style) -> _Term:
    if style.is_short and term.is_nonnegative:
        return _root_of(term, style)
    size = _Term(style.functions["ABS"].format(term.text), _ATOM)
    return _with_sign(style.root, term, style)._replace(radicand=size)


def _root_of(term: _Term, style: _Style) -> _Term:
    return _Term(style.root.format(term.text), _ATOM, radicand=term)


def _logarithm(term: _Term, style: _Style) -> _Term:
    if style.is_short and term.is_nonnegative:
        return _Term(style.logarithm.format(term.text), _ATOM)
    return _with_sign(style.logarithm, term, style)


def _with_sign(function: str, term: _Term, style: _Style) -> _Term:
    size = function.format(style.functions["ABS"].format(term.text))
    return _Term(style.signed.format(term.text, size), _PRODUCT)


def _moment(node: Any, term: _Term, style: _Style) -> _Term:
    axes = ops.AXES_IN_FORMULAS[node.index_set]
    if node.op == "MEAN":
        return _Term(style.mean.format(axes, term.text), _ATOM)
    if node.op == "RMS":
        moment = style.mean.format(axes, _square(term, style).text)
    else:
        moment = style.variance.format(axes, term.text)
    return _root_of(_Term(moment, _ATOM), style)
