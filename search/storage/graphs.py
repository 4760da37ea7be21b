"""The layer graph of a row; commands that import `Candidate` alone start faster without it."""

from evonorm_tf.graph.layer_graph import LayerGraph
from search.errors import SearchError
from search.storage.candidate import Candidate


def graph_of(row: Candidate) -> LayerGraph | None:
    """A row's layer graph; None for a baseline that has none.

    Raises:
      SearchError: for a row whose graph is not valid.
    """
    try:
        return LayerGraph.from_json(row.graph) if row.graph else None
    except ValueError as error:
        raise SearchError(f"candidate {row.id} has no valid graph: {error}") from error
