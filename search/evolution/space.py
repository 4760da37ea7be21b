"""The search space as a distribution: random graphs and mutations (paper sections 3 and 4.1).

These are pure functions of (graph, rng); `rng` is a `numpy.random.Generator`.
"""

import dataclasses

import numpy as np

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node


def primitives(batch_independent: bool = False) -> tuple[ops.Primitive, ...]:
    """The primitives to draw from: all 24, or the 21 that use no batch statistics."""
    if batch_independent:
        return tuple(primitive for primitive in ops.PRIMITIVES if not primitive.uses_batch)
    return ops.PRIMITIVES


def sample_graph(
    rng: np.random.Generator, num_nodes: int = 10, batch_independent: bool = False
) -> LayerGraph:
    """Samples a random graph node by node (paper section 3, "Random Graph Generation").

    Args:
      rng: source of randomness.
      num_nodes: number of intermediate nodes; the paper's is 10.
      batch_independent: whether to leave out (b, w, h) aggregations, as in the search for
        the EvoNorm-S series.

    Returns:
      A graph in which each primitive is uniform over the table and each input uniform over
      the earlier nodes.
    """
    if num_nodes < 1:
        raise ValueError(f"`num_nodes` must be at least 1. Received: num_nodes={num_nodes}")
    return LayerGraph(sample_nodes(rng, num_nodes, batch_independent))


def sample_nodes(
    rng: np.random.Generator, num_nodes: int, batch_independent: bool
) -> tuple[Node, ...]:
    """The nodes of `sample_graph`."""
    indices = range(ops.NUM_INITIAL_NODES, ops.NUM_INITIAL_NODES + num_nodes)
    return tuple(_sample_node(rng, index, batch_independent) for index in indices)


def mutate_graph(
    graph: LayerGraph, rng: np.random.Generator, batch_independent: bool = False
) -> LayerGraph:
    """Returns a copy with one node drawn again (paper section 4.1, three steps).

    An intermediate node is chosen uniformly, then its primitive uniformly over the table, then its
    inputs uniformly over the earlier nodes. The new node equals the old one about once in 24 times
    the number of possible inputs.
    """
    return dataclasses.replace(graph, nodes=mutate_nodes(graph.nodes, rng, batch_independent))


def mutate_nodes(
    nodes: tuple[Node, ...], rng: np.random.Generator, batch_independent: bool
) -> tuple[Node, ...]:
    """The nodes of `mutate_graph`, for several mutations before one check of the graph."""
    place = int(rng.integers(len(nodes)))
    node = _sample_node(rng, ops.NUM_INITIAL_NODES + place, batch_independent)
    return (*nodes[:place], node, *nodes[place + 1 :])


def check_structure(graph: LayerGraph) -> str | None:
    """The rejection that needs no tensors: "no_input", or None for a layer that passes."""
    return None if ops.INPUT in graph.live() else "no_input"


def _sample_node(rng: np.random.Generator, index: int, batch_independent: bool) -> Node:
    choices = primitives(batch_independent)
    primitive = choices[int(rng.integers(len(choices)))]
    inputs = tuple(rng.integers(index, size=primitive.arity).tolist())
    return Node(primitive.op, inputs, primitive.index_set)
