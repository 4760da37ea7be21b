"""The layers that a search has found, as a Python program sees them."""

import dataclasses
from typing import TYPE_CHECKING, Any

from evonorm_tf.graph.layer_graph import LayerGraph
from evonorm_tf.graph.simplification import short_formula
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of

if TYPE_CHECKING:
    from evonorm_tf import GraphLayer


@dataclasses.dataclass(frozen=True)
class FoundLayer:
    """A layer that a search has found.

    Attributes:
      rank: 1 is the best layer; `python -m search export` takes it.
      id: the number of the candidate.
      fitness: the mean of its scores in the search.
      scores: the score on each anchor in the search.
      graph: its `LayerGraph`.
      groups: the number of groups with which it was searched.
    """

    rank: int
    id: int
    fitness: float
    scores: dict[str, float]
    graph: LayerGraph = dataclasses.field(repr=False)
    groups: int = dataclasses.field(repr=False)

    @property
    def formula(self) -> str:
        """The simplified formula."""
        return short_formula(self.graph)

    def layer(self, **arguments: Any) -> "GraphLayer":
        """A new Keras layer, `evonorm_tf.GraphLayer`.

        Args:
          **arguments: of `GraphLayer`; `groups` is by default that of the search.
        """
        import evonorm_tf  # with TensorFlow

        return evonorm_tf.GraphLayer(self.graph, **{"groups": self.groups, **arguments})


@dataclasses.dataclass(frozen=True)
class Compared:
    """A layer of the comparison on the test set, after the search.

    Attributes:
      name: the name of a handwritten layer; None for the one that was found.
      formula: its formula.
      accuracies: accuracies on each anchor, one for each seed.
      mean: their mean.
    """

    name: str | None
    formula: str | None
    accuracies: dict[str, list[float]]
    mean: float


def found(row: Candidate, rank: int, groups: int) -> FoundLayer:
    """The layer of a candidate."""
    graph = LayerGraph(graph_of(row).nodes, f"candidate_{row.id}")
    return FoundLayer(rank, row.id, row.require_fitness(), row.anchor_scores, graph, groups)
