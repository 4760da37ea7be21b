"""The layer graph that a row of the database holds."""

from evonorm_tf.graph.layer_graph import LayerGraph
from search.errors import SearchError
from search.store import Candidate


def graph_of(row: Candidate) -> LayerGraph | None:
    """A row's layer graph; None for a baseline that is none.

    Raises:
      SearchError: for a row whose JSON is damaged.
    """
    try:
        return LayerGraph.from_json(row.graph) if row.graph else None
    except ValueError as error:
        raise SearchError(f"candidate {row.id} has no valid graph: {error}") from error
