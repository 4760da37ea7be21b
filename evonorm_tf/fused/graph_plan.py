"""Layer graphs as `fusion.fused` wants them: statistics of x, small arrays, one formula."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import Node
from evonorm_tf.numerics import primitives


class Plan(NamedTuple):
    """A graph whose every aggregation is of x itself.

    Attributes:
      nodes: the graph's.
      large: indices of what varies over the image.
      values: indices of what does not, but goes into what does.
      core: index of what is left of the output without the factors.
      factors: of the output, (MUL or DIV, index) each, which do not vary over the image: they
        become part of gamma, and neither they nor their slopes cost a pass.
    """

    nodes: tuple[Node, ...]
    large: frozenset[int]
    values: tuple[int, ...]
    core: int
    factors: tuple[tuple[str, int], ...]

    @property
    def squares_alone(self) -> bool:
        """Whether second moments are all that it takes of x."""
        return {node.op for node in self.nodes if node.index_set is not None} == {"RMS"}

    @property
    def aggregates(self) -> bool:
        """Whether it has an aggregation at all."""
        return any(node.index_set is not None for node in self.nodes)


def plan(nodes: tuple[Node, ...]) -> Plan | None:
    """The plan of a graph, or None where an aggregation is of something else than x.

    Or where the output does not vary over the image.
    """
    large = {ops.INPUT}
    for index, node in enumerate(nodes, ops.NUM_INITIAL_NODES):
        if node.index_set is None:
            large |= {index} if large & set(node.inputs) else set()
        elif node.inputs != (ops.INPUT,):
            return None
    if ops.NUM_INITIAL_NODES + len(nodes) - 1 not in large:
        return None
    core, factors = _factors(nodes, large)
    taken = {
        source
        for index, node in enumerate(nodes, ops.NUM_INITIAL_NODES)
        if index in large and index <= core
        for source in node.inputs
    }
    values = tuple(sorted(taken - large - {ops.ZERO}))
    return Plan(nodes, frozenset(large), values, core, factors)


def _factors(nodes: tuple[Node, ...], large: set[int]) -> tuple[int, tuple[tuple[str, int], ...]]:
    """`Plan.core` and `Plan.factors`.

    Every node leads to the output, and so those that vary over the image lead to the core.
    """
    core, factors = ops.NUM_INITIAL_NODES + len(nodes) - 1, []
    while core >= ops.NUM_INITIAL_NODES:
        node = nodes[core - ops.NUM_INITIAL_NODES]
        if node.op == "MUL":
            factor, rest = sorted(node.inputs, key=lambda source: source in large)
        elif node.op == "DIV":
            rest, factor = node.inputs
        else:
            break
        if factor in large:
            break
        factors.append((node.op, factor))
        core = rest
    return core, tuple(factors)


@functools.cache
def formula(plan: Plan) -> Callable[..., tf.Tensor]:
    """Of (x, *values, scale, beta): the graph's core * scale + beta, element by element."""

    def run(x, *values):
        *small, scale, beta = values
        known = {ops.INPUT: x, ops.ZERO: tf.zeros([], x.dtype)}
        known |= dict(zip(plan.values, small, strict=True))
        for index, node in enumerate(plan.nodes, ops.NUM_INITIAL_NODES):
            if index in plan.large and index <= plan.core:
                known[index] = _elementwise(node, known)
        return known[plan.core] * scale + beta

    return run


def small_values(
    plan: Plan,
    vectors: Mapping[int, tf.Tensor],
    gamma: tf.Tensor,
    aggregate: Callable[[int, Node], tf.Tensor],
) -> list[tf.Tensor]:
    """The formula's values and scale, from the initial vectors, gamma and each aggregation."""
    known = dict(vectors)
    for index, node in enumerate(plan.nodes, ops.NUM_INITIAL_NODES):
        if node.index_set is not None:
            known[index] = aggregate(index, node)
        elif index not in plan.large:
            known[index] = _elementwise(node, known)
    scale = gamma
    for op, index in plan.factors:
        scale = primitives.ELEMENTWISE[op](scale, known[index])
    return [*(known[index] for index in plan.values), scale]


def _elementwise(node: Node, known: Mapping[int, tf.Tensor]) -> tf.Tensor:
    return primitives.ELEMENTWISE[node.op](*(known[source] for source in node.inputs))
