"""Layer graphs as a `Computation`: which nodes are moments, coefficients, and formula."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import Node
from evonorm_tf.numerics import primitives


class Plan(NamedTuple):
    """A graph in which every aggregation has x itself as its input.

    A node is large if it varies over the image, and small otherwise.

    Attributes:
      nodes: the graph's nodes.
      large: indices of the large nodes, x among them.
      coefficients: indices of the small nodes that are inputs of large ones.
      core: index of the large node that the factors multiply or divide.
      factors: (MUL or DIV, index) of small nodes: output = core * or / each factor in turn.
        Gamma absorbs them, so neither they nor their gradients need a pass over the image.
    """

    nodes: tuple[Node, ...]
    large: frozenset[int]
    coefficients: tuple[int, ...]
    core: int
    factors: tuple[tuple[str, int], ...]

    @property
    def needs_only_squares(self) -> bool:
        """Whether every aggregation is a second moment."""
        return {node.op for node in self.nodes if node.index_set is not None} == {"RMS"}

    @property
    def aggregates(self) -> bool:
        """Whether the graph has an aggregation."""
        return any(node.index_set is not None for node in self.nodes)


def plan(nodes: tuple[Node, ...]) -> Plan | None:
    """Returns the plan of a graph without dead nodes.

    None if an aggregation has another input than x or is registered, or if the output is small.
    """
    large = {ops.INPUT}
    for index, node in enumerate(nodes, ops.NUM_INITIAL_NODES):
        if node.index_set is None:
            large |= {index} if large & set(node.inputs) else set()
        elif node.inputs != (ops.INPUT,) or ops.registered(node.op):
            return None
    if ops.NUM_INITIAL_NODES + len(nodes) - 1 not in large:
        return None
    core, factors = _factors(nodes, large)
    inputs = {
        source
        for index, node in enumerate(nodes, ops.NUM_INITIAL_NODES)
        if index in large and index <= core
        for source in node.inputs
    }
    coefficients = tuple(sorted(inputs - large - {ops.ZERO}))
    return Plan(nodes, frozenset(large), coefficients, core, factors)


def _factors(nodes: tuple[Node, ...], large: set[int]) -> tuple[int, tuple[tuple[str, int], ...]]:
    """Returns `Plan.core` and `Plan.factors`.

    No node is dead, so every large node leads to the core.
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


class GraphFormula(NamedTuple):
    """(x, node4, ..., scale, offset) -> the core's value * scale + offset, element by element.

    A tuple, so that graphs with equal plans have equal formulas.
    """

    plan: Plan

    def __call__(self, x: tf.Tensor, *, scale, offset, **coefficients: tf.Tensor) -> tf.Tensor:
        """The output for the input `x` and the coefficients, each of them broadcastable to x."""
        plan = self.plan
        node_values = {ops.INPUT: x, ops.ZERO: tf.zeros([], x.dtype)}
        node_values |= {index: coefficients[_name(index)] for index in plan.coefficients}
        for index, node in enumerate(plan.nodes, ops.NUM_INITIAL_NODES):
            if index in plan.large and index <= plan.core:
                node_values[index] = _elementwise(node, node_values)
        return node_values[plan.core] * scale + offset


def coefficients(
    plan: Plan,
    vectors: Mapping[int, tf.Tensor],
    gamma: tf.Tensor,
    aggregate: Callable[[Node], tf.Tensor],
) -> dict[str, tf.Tensor]:
    """The arguments of `GraphFormula` but x and the offset.

    Args:
      plan: the graph's plan.
      vectors: the zero vector and the trainable vectors, by their index.
      gamma: the layer's scale.
      aggregate: computes an aggregation of x; is called in the order of the nodes.
    """
    node_values = dict(vectors)
    for index, node in enumerate(plan.nodes, ops.NUM_INITIAL_NODES):
        if node.index_set is not None:
            node_values[index] = aggregate(node)
        elif index not in plan.large:
            node_values[index] = _elementwise(node, node_values)
    scale = gamma
    for op, index in plan.factors:
        scale = primitives.elementwise(op, scale, node_values[index])
    return {**{_name(i): node_values[i] for i in plan.coefficients}, "scale": scale}


def _name(index: int) -> str:
    return f"node{index}"


def _elementwise(node: Node, node_values: Mapping[int, tf.Tensor]) -> tf.Tensor:
    return primitives.elementwise(node.op, *(node_values[source] for source in node.inputs))
