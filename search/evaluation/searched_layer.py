"""`SearchedLayer`: a `GraphLayer` whose graph can be replaced inside a built model."""

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.layers.graph_layer import GraphLayer

_IDENTITY = LayerGraph((Node("ADD", (ops.INPUT, ops.ZERO)),))
_STARTS_AT_ZERO = "MEAN"


class SearchedLayer(GraphLayer):
    """Computes the same as a `GraphLayer` of its current graph.

    It creates all weights that any graph of the space can need: v0, v1 and a moving average for
    each node. So a model is built once for all candidates.

    Args:
      max_nodes: largest number of live nodes of any graph.
      **kwargs: as for `GraphLayer`, without its graph.
    """

    def __init__(self, max_nodes: int, **kwargs):
        super().__init__(_IDENTITY, **kwargs)
        self._plan = None  # compiling takes longer than a candidate's training gains
        self._max_nodes = max_nodes

    def set_graph(self, graph: LayerGraph) -> None:
        """Replaces the graph; its moving averages are reset, other weights stay."""
        self.graph = graph
        self._nodes = graph.canonical().nodes
        self._moving = {}
        if not self.nonlinearity:
            return
        batch = [(i, node.op) for i, node in enumerate(self._nodes) if node.index_set == "BWH"]
        for (index, op), slot in zip(batch, self._slots, strict=False):
            start = 0.0 if op == _STARTS_AT_ZERO else 1.0
            slot.assign([start] * self.channels)
            self._moving[str(index)] = slot

    def unused_weights(self) -> list:
        """The trainable vectors that the current graph does not use."""
        if not self.nonlinearity:
            return []
        used = {source for node in self._nodes for source in node.inputs}
        vectors = {ops.V0: self.v0, ops.V1: self.v1}
        return [vector for index, vector in vectors.items() if index not in used]

    def _add_initial_vector(self, name, initializer, used):
        return super()._add_initial_vector(name, initializer, True)

    def _add_moving_moments(self):
        self._slots = [self._add_moving(f"moving_slot_{i}") for i in range(self._max_nodes)]
        return {}
