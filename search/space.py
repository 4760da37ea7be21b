"""The search space as a distribution: random graphs and mutations (paper sections 3, 4.1).

Pure functions of (graph, rng); `rng` is a `numpy.random.Generator`.
"""

import numpy as np

from evonorm_tf import ops
from evonorm_tf.layer_graph import LayerGraph, Node


def primitives(batch_independent: bool = False) -> tuple[ops.Primitive, ...]:
    """The primitives to draw from: all 24, or the 21 that do not look across the batch."""
    if batch_independent:
        return tuple(primitive for primitive in ops.PRIMITIVES if not primitive.uses_batch)
    return ops.PRIMITIVES


def sample_graph(
    rng: np.random.Generator, num_nodes: int = 10, batch_independent: bool = False
) -> LayerGraph:
    """A random graph, node by node (paper section 3, "Random Graph Generation").

    Args:
      rng: source of randomness.
      num_nodes: number of intermediate nodes; the paper's is 10.
      batch_independent: whether (b, w, h) aggregations are left out, as in the search for
        the EvoNorm-S series.

    Returns:
      A graph in which each primitive is uniform over the table and each input uniform over
      the earlier nodes.
    """
    if num_nodes < 1:
        raise ValueError(f"`num_nodes` must be at least 1. Received: num_nodes={num_nodes}")
    last = ops.NUM_INITIAL_NODES + num_nodes
    indices = range(ops.NUM_INITIAL_NODES, last)
    return LayerGraph(tuple(_sample_node(rng, index, batch_independent) for index in indices))


def mutate_graph(
    graph: LayerGraph, rng: np.random.Generator, batch_independent: bool = False
) -> LayerGraph:
    """A copy with one node drawn anew (paper section 4.1, three steps).

    An intermediate node is chosen uniformly, then its primitive uniformly over the table,
    then its inputs uniformly over the earlier nodes. Nothing keeps the draw from giving the
    old node again, which happens about once in 24 times the number of input choices.
    """
    index = ops.NUM_INITIAL_NODES + int(rng.integers(len(graph.nodes)))
    return graph.replace_node(index, _sample_node(rng, index, batch_independent))


def _sample_node(rng: np.random.Generator, index: int, batch_independent: bool) -> Node:
    choices = primitives(batch_independent)
    primitive = choices[int(rng.integers(len(choices)))]
    inputs = tuple(int(source) for source in rng.integers(index, size=primitive.arity))
    return Node(primitive.op, inputs, primitive.index_set)
