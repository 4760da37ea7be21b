"""Arguments, weights and configuration of the layers that run primitives and layer graphs."""

import textwrap
from collections import Counter

from evonorm_tf.graph import layer_graph, ops
from evonorm_tf.layers.arguments import settings

_MOVING_NAMES = {
    "MEAN": "moving_mean",
    "RMS": "moving_second_moment",
    "STD": "moving_variance",
}


def moving_name(op: str) -> str:
    """The name of the weight with the moving average of an aggregation."""
    return _MOVING_NAMES.get(op, f"moving_{op.lower()}")


class GraphSettings(settings.BatchNormActSettings, settings.GroupSettings):
    """Of a layer that runs a layer graph."""

    _LINEAR_IS_AFFINE = True
    _MOVING = ()
    ARGUMENTS = textwrap.dedent("""\
        graph: a `LayerGraph`, or one in its JSON form.""")

    def __init__(self, graph, **kwargs):
        super().__init__(**kwargs)
        if isinstance(graph, str):
            graph = layer_graph.LayerGraph.from_json(graph)
        if not isinstance(graph, layer_graph.LayerGraph):
            raise ValueError(f"`graph` must be a LayerGraph or JSON text. Received: {graph!r}")
        self.graph = graph
        self._nodes = graph.canonical().nodes

    def build(self, input_shape):
        """Creates gamma, beta, v0 and v1 if the graph uses them, and moving averages.

        There is a moving average for each node over (b, w, h), unless the layer is linear. All
        are of shape (channels,) and float32.
        """
        super().build(input_shape)
        used = {source for node in self._nodes for source in node.inputs}
        self.v0 = self._add_initial_vector("v0", "zeros", ops.V0 in used)
        self.v1 = self._add_initial_vector("v1", "ones", ops.V1 in used)
        self._moving = self._add_moving_moments() if self.nonlinearity else {}

    def _moving_weights(self):
        return list(self._moving.values())

    def _add_initial_vector(self, name: str, initializer: str, used: bool):
        if not (used and self.nonlinearity):
            return None
        return self._add_float32_weight(name, initializer=initializer)

    def _add_moving_moments(self):
        batch = [(i, node.op) for i, node in enumerate(self._nodes) if node.index_set == "BWH"]
        totals, seen = Counter(op for _, op in batch), Counter()
        moving = {}
        for index, op in batch:
            seen[op] += 1
            suffix = f"_{seen[op]}" if totals[op] > 1 else ""
            moving[str(index)] = self._add_moving(moving_name(op) + suffix)
        return moving

    def get_config(self):
        """The constructor's arguments; `graph` is the graph's JSON."""
        return {**super().get_config(), "graph": self.graph.to_json()}


class PrimitiveSettings(settings.BatchSettings, settings.GroupSettings):
    """Of a layer that is one primitive."""

    ARGUMENTS = textwrap.dedent("""\
        op: ADD, MUL, DIV, MAX (two inputs), NEG, SIGMOID, TANH, EXP, LOG, ABS, SQUARE,
          SQRT (one input), the aggregations MEAN, RMS, STD, or a registered primitive.
        index_set: BWH, WHC, WH or WHCQ for an aggregation, else None.""")

    def __init__(self, op, index_set=None, groups=32, **kwargs):
        super().__init__(groups=groups, **kwargs)
        ops.check_primitive(op, index_set)
        self.primitive = ops.Primitive(op, index_set)

    def build(self, input_shape):
        """Creates the moving average of a primitive over (b, w, h); the others have no weights.

        Raises:
          ValueError: for a primitive of two inputs, without two shapes that are equal.
        """
        if self.primitive.arity == 1:
            self._set_channels(input_shape)
        else:
            self._set_two_inputs(input_shape)
        uses_batch = self.primitive.uses_batch
        self.moving = self._add_moving(moving_name(self.primitive.op)) if uses_batch else None
        super().build(input_shape)

    def _set_two_inputs(self, input_shape) -> None:
        op = self.primitive.op
        is_pair = isinstance(input_shape, (list, tuple)) and len(input_shape) == 2
        if not is_pair or not all(hasattr(shape, "__len__") for shape in input_shape):
            raise ValueError(f"{op} takes a list of two inputs. Received: shape {input_shape}")
        first, second = (tuple(shape) for shape in input_shape)
        if first != second:
            raise ValueError(
                f"the two inputs of {op} must have one shape. Received: {first} and {second}"
            )
        self._set_channels(first)
        self.input_spec = [self.input_spec] * 2

    def get_config(self):
        """The constructor's arguments; `index_set` is None for an elementwise primitive."""
        op, index_set = self.primitive
        return {**super().get_config(), "op": op, "index_set": index_set}
