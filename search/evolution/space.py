"""The search space as a distribution: random graphs and mutations (paper sections 3 and 4.1).

These are pure functions of (graph, rng); `rng` is a `numpy.random.Generator`.
"""

import bisect
import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node

# The name that stands for all primitives of the paper.
PAPER = "paper"


@dataclasses.dataclass(frozen=True)
class Choices:
    """The primitives that a node draws from.

    Attributes:
      primitives: all of them.
      shares: the probability of each primitive or one before it; empty if all are equally likely.
    """

    primitives: tuple[ops.Primitive, ...]
    shares: tuple[float, ...] = ()

    def draw(self, rng: np.random.Generator) -> ops.Primitive:
        """A random primitive."""
        if self.shares:
            return self.primitives[bisect.bisect(self.shares, rng.random())]
        return self.primitives[int(rng.integers(len(self.primitives)))]


@functools.cache
def choices(entries: tuple[str, ...] = (PAPER,), batch_independent: bool = False) -> Choices:
    """The primitives that entries such as "MEAN", "MEAN:WH", "SOFTPLUS=2" or "paper" stand for.

    An aggregation without an index set stands for those over all index sets. A weight says how
    often a primitive is drawn, relative to one without a weight. Of two entries for a primitive the
    later one counts.

    Args:
      entries: the primitives.
      batch_independent: whether to leave out (b, w, h) aggregations.

    Raises:
      ValueError: for an unknown primitive, a weight that is not greater than 0, a (b, w, h)
        aggregation of a batch-independent space, or no entries; in one line.
    """
    weights: dict[ops.Primitive, float] = {}
    for entry in entries:
        try:
            weights |= _weighted(entry, batch_independent)
        except ValueError as error:
            raise ValueError(f"primitives cannot be {entry!r}: {error}") from None
    if not weights:
        raise ValueError("primitives cannot be empty")
    if len(set(weights.values())) == 1:
        return Choices(tuple(weights))
    *sums, total = itertools.accumulate(weights.values())
    return Choices(tuple(weights), (*(each / total for each in sums), 1.0))


def primitives(batch_independent: bool = False) -> tuple[ops.Primitive, ...]:
    """The primitives of the paper: all 24, or the 21 that use no batch statistics."""
    return choices((PAPER,), batch_independent).primitives


def sample_graph(
    rng: np.random.Generator,
    num_nodes: int = 10,
    batch_independent: bool = False,
    primitives: Sequence[str] = (PAPER,),
) -> LayerGraph:
    """Samples a random graph node by node (paper section 3, "Random Graph Generation").

    Args:
      rng: source of randomness.
      num_nodes: number of intermediate nodes; the paper's is 10.
      batch_independent: whether to leave out (b, w, h) aggregations, as in the search for
        the EvoNorm-S series.
      primitives: what to draw from, see `choices`; default: the paper's 24, all equally likely.

    Returns:
      A graph in which each primitive is drawn with its weight and each input uniformly from
      the earlier nodes.

    Raises:
      ValueError: for fewer nodes than 1, or primitives that `choices` does not know.

    Example:
      >>> import numpy as np, search
      >>> len(search.sample_graph(np.random.default_rng(0)).nodes)
      10
    """
    if num_nodes < 1:
        raise ValueError(f"`num_nodes` must be at least 1. Received: num_nodes={num_nodes}")
    return LayerGraph(sample_nodes(rng, num_nodes, choices(tuple(primitives), batch_independent)))


def sample_nodes(rng: np.random.Generator, num_nodes: int, drawn: Choices) -> tuple[Node, ...]:
    """The nodes of `sample_graph`."""
    indices = range(ops.NUM_INITIAL_NODES, ops.NUM_INITIAL_NODES + num_nodes)
    return tuple(_sample_node(rng, index, drawn) for index in indices)


def mutate_graph(
    graph: LayerGraph,
    rng: np.random.Generator,
    batch_independent: bool = False,
    primitives: Sequence[str] = (PAPER,),
) -> LayerGraph:
    """Returns a copy with one node drawn again (paper section 4.1, three steps).

    An intermediate node is chosen uniformly, then its primitive as in `sample_graph`, then its
    inputs uniformly over the earlier nodes. With the paper's primitives the new node equals the old
    one about once in 24 times the number of possible inputs.

    Args:
      graph: the parent.
      rng: source of randomness.
      batch_independent: as for `sample_graph`.
      primitives: as for `sample_graph`.

    Raises:
      ValueError: for primitives that `choices` does not know.

    Example:
      >>> import numpy as np, search
      >>> rng = np.random.default_rng(0)
      >>> parent = search.sample_graph(rng)
      >>> child = search.mutate_graph(parent, rng)
      >>> sum(old != new for old, new in zip(parent.nodes, child.nodes))
      1
    """
    drawn = choices(tuple(primitives), batch_independent)
    return dataclasses.replace(graph, nodes=mutate_nodes(graph.nodes, rng, drawn))


def mutate_nodes(
    nodes: tuple[Node, ...], rng: np.random.Generator, drawn: Choices
) -> tuple[Node, ...]:
    """The nodes of `mutate_graph`, for several mutations before one check of the graph."""
    place = int(rng.integers(len(nodes)))
    node = _sample_node(rng, ops.NUM_INITIAL_NODES + place, drawn)
    return (*nodes[:place], node, *nodes[place + 1 :])


def check_structure(graph: LayerGraph) -> str | None:
    """The rejection that needs no tensors: "no_input", or None for a layer that passes."""
    return None if ops.INPUT in graph.live() else "no_input"


def _sample_node(rng: np.random.Generator, index: int, drawn: Choices) -> Node:
    primitive = drawn.draw(rng)
    inputs = tuple(rng.integers(index, size=primitive.arity).tolist())
    return Node(primitive.op, inputs, primitive.index_set)


def _weighted(entry: str, batch_independent: bool) -> Mapping[ops.Primitive, float]:
    """The primitives of an entry, each with the entry's weight. Raises ValueError with a rule."""
    text, separator, number = entry.partition("=")
    weight = _weight(number) if separator else 1.0
    found = _named(text)
    if not batch_independent:
        return dict.fromkeys(found, weight)
    if ":" in text and found[0].uses_batch:
        raise ValueError("it uses the batch, which a batch-independent space leaves out")
    return {primitive: weight for primitive in found if not primitive.uses_batch}


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ValueError("its weight must be a number greater than 0")
    return weight


def _named(text: str) -> Sequence[ops.Primitive]:
    if text == PAPER:
        return ops.PRIMITIVES
    op, separator, index_set = text.partition(":")
    if op not in ops.names():
        known = ", ".join((PAPER, *ops.names()))
        raise ValueError(
            f"it is one of {known}; others have to be registered by a module of space.modules "
            "(SOFTPLUS and ERF: evonorm_tf.graph.more_primitives)"
        )
    if separator:
        ops.check_primitive(op, index_set)
        return (ops.Primitive(op, index_set),)
    if ops.is_aggregation(op):
        return tuple(ops.Primitive(op, each) for each in ops.INDEX_SETS)
    return (ops.Primitive(op),)
