"""The layer graph of a row; commands that import `Candidate` alone start faster without it."""

from evonorm_tf.graph.layer_graph import LayerGraph
from search.errors import SearchError
from search.storage.candidate import Candidate


def graph_of(row: Candidate) -> LayerGraph:
    """The layer graph of a row.

    Raises:
      SearchError: for a row without a graph, or whose graph is not valid.
    """
    if row.graph is None:
        raise SearchError(f"candidate {row.id} has no graph")
    try:
        return LayerGraph.from_json(row.graph)
    except ValueError as error:
        raise SearchError(f"candidate {row.id} has no valid graph: {error}") from error
