"""The idea of a layer: its function, up to its spelling and what gamma and beta can undo."""

from evonorm_tf.graph import ops
from evonorm_tf.graph.algebra import Algebra
from evonorm_tf.graph.facts import AXES
from evonorm_tf.graph.layer_graph import LayerGraph

_NOTHING: frozenset[str] = frozenset()


def idea(graph: LayerGraph) -> str:
    """A hash (64 hex digits) that layers with the same idea share.

    Two layers have the same idea if arithmetic without epsilons turns one into the other, up to
    what gamma and beta can make up for: the sign of the output, a factor per channel such as v1,
    and an offset per channel such as v0. Layers that do not read their input share one hash.

    Such layers can compute the same functions, but not from the same initial values: v0 * x begins
    at 0.
    """
    algebra = Algebra(without_epsilon=True)
    output = algebra.translate(graph)
    return algebra.digests[_core(algebra, output)]


def _core(algebra: Algebra, number: int) -> int:
    """Removes offsets, factors and signs from the output until none is left."""
    while True:
        found = _without_factors(algebra, _without_offset(algebra, number), _NOTHING)
        if found == number:
            return found
        number = found


def _without_offset(algebra: Algebra, number: int) -> int:
    if not algebra.facts[number].reads_input:
        return ops.ZERO
    for term, offset in algebra.orders(number, "ADD"):
        if not algebra.facts[offset].reads_input:
            return term
    return number


def _without_factors(algebra: Algebra, number: int, averaged: frozenset[str]) -> int:
    """The term without signs, and without trainable factors.

    Args:
      algebra: holds the term.
      number: the term.
      averaged: the axes over which a statistic is taken of it; a factor that varies along these
        cannot be moved out.
    """
    node = algebra.node(number)
    if node is None:
        return number
    if node.op == "NEG":
        return _without_factors(algebra, node.inputs[0], averaged)
    if node.op in ("MUL", "DIV"):
        inputs = [_factor(algebra, i, averaged) for i in node.inputs]
        return algebra.make(node.op, *inputs)
    if node.op in ("ABS", "SQUARE", "SQRT", *ops.AGGREGATIONS):
        averaged = averaged | AXES[node.index_set] if node.index_set else averaged
        inner = _without_factors(algebra, node.inputs[0], averaged)
        return algebra.make(node.op, inner, index_set=node.index_set)
    return number


def _factor(algebra: Algebra, number: int, averaged: frozenset[str]) -> int:
    """One factor of a product; 1 for a trainable one."""
    known = algebra.facts[number]
    if known.reads_input or known.varies & averaged:
        return _without_factors(algebra, number, averaged)
    return algebra.one()
