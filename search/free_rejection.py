"""Free rejections: their names, and the one for which the graph is enough.

The others put numbers through the layer: see `search.probe`.
"""

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph

FREE_REASONS = ("no_input", "constant", "not_finite", "zero_gradient", "flat")


def check_structure(graph: LayerGraph) -> str | None:
    """Why the graph alone, without numbers, is enough to reject the layer; or None."""
    return None if ops.INPUT in graph.live() else "no_input"
