"""The layer graph of a candidate; a module of its own, so that some commands start faster."""

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph
from evonorm_tf.graph.simplification import short_formula
from search.errors import SearchError
from search.storage.candidate import Candidate


def graph_of(row: Candidate) -> LayerGraph:
    """The layer graph of a candidate.

    Raises:
      SearchError: for a candidate without a graph, or with one that is not valid.
    """
    if row.graph is None:
        raise SearchError(f"candidate {row.id} has no graph")
    try:
        return LayerGraph.from_json(row.graph)
    except ValueError as error:
        raise SearchError(f"candidate {row.id} has no valid graph: {error}") from error


def formula_of(row: Candidate) -> str:
    """The simplified formula of a candidate.

    For a layer without a graph, or with a primitive that is not registered, the stored formula.
    """
    if not row.graph:
        return row.formula or ""
    try:
        return short_formula(graph_of(row))
    except SearchError as error:
        if isinstance(error.__cause__, ops.UnknownOpError):
            return row.formula or ""
        raise
