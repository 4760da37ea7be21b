"""Layer graphs as `fusion.fused` wants them: statistics of x, small arrays, one formula."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from evonorm_tf import ops, primitives
from evonorm_tf.layer_graph import Node


class Plan(NamedTuple):
    """A graph whose every aggregation is of x itself.

    Attributes:
      nodes: the graph's.
      large: indices of what varies over the image.
      values: indices of what does not, but goes into what does.
    """

    nodes: tuple[Node, ...]
    large: frozenset[int]
    values: tuple[int, ...]

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
    taken = {
        source
        for index, node in enumerate(nodes, ops.NUM_INITIAL_NODES)
        if index in large
        for source in node.inputs
    }
    return Plan(nodes, frozenset(large), tuple(sorted(taken - large - {ops.ZERO})))


@functools.cache
def formula(plan: Plan) -> Callable[..., tf.Tensor]:
    """Of (x, *values, gamma, beta): the graph's output * gamma + beta, element by element."""

    def run(x, *values):
        *small, gamma, beta = values
        known = {ops.INPUT: x, ops.ZERO: tf.zeros([], x.dtype)}
        known |= dict(zip(plan.values, small, strict=True))
        for index, node in enumerate(plan.nodes, ops.NUM_INITIAL_NODES):
            if index in plan.large:
                known[index] = _elementwise(node, known)
        return known[len(plan.nodes) + ops.NUM_INITIAL_NODES - 1] * gamma + beta

    return run


def small_values(
    plan: Plan, vectors: Mapping[int, tf.Tensor], aggregate: Callable[[int, Node], tf.Tensor]
) -> list[tf.Tensor]:
    """The values that the formula takes, from the initial vectors and each aggregation."""
    known = dict(vectors)
    for index, node in enumerate(plan.nodes, ops.NUM_INITIAL_NODES):
        if node.index_set is not None:
            known[index] = aggregate(index, node)
        elif index not in plan.large:
            known[index] = _elementwise(node, known)
    return [known[index] for index in plan.values]


def _elementwise(node: Node, known: Mapping[int, tf.Tensor]) -> tf.Tensor:
    return primitives.ELEMENTWISE[node.op](*(known[source] for source in node.inputs))
