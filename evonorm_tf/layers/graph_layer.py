"""`GraphLayer`: any layer graph as a Keras layer."""

import textwrap
from collections import Counter

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.fused import graph_plan, keep_input
from evonorm_tf.graph import layer_graph, ops
from evonorm_tf.layers import base, fused_layer, primitive_layer
from evonorm_tf.numerics import primitives, statistics


@base.public_layer
class GraphLayer(primitive_layer.PrimitiveRunner, fused_layer.FusedBatchNormAct):
    """Runs a `LayerGraph` (paper section 3): the graph's output * gamma + beta.

    Nodes that the output does not depend on are not computed, and equal ones once. Where
    every aggregation is of x itself, the backward pass keeps x alone, as in the layers that
    have a class of their own. Each
    (b, w, h) aggregation keeps a moving average for inference. With `nonlinearity=False`
    the layer is x * gamma + beta.

    Weights: gamma, beta; v0 and v1 where the graph uses them; for each (b, w, h)
    aggregation a moving_mean, moving_second_moment or moving_variance, numbered (from _1)
    when there are several of a kind. Each is (channels,) and float32.
    """

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
        self._plan = graph_plan.plan(self._nodes)

    def build(self, input_shape):
        super().build(input_shape)
        used = {source for node in self._nodes for source in node.inputs}
        self.v0 = self._add_initial_vector("v0", "zeros", ops.V0 in used)
        self.v1 = self._add_initial_vector("v1", "ones", ops.V1 in used)
        self._moving = self._add_moving_moments() if self.nonlinearity else {}

    def _call(self, inputs, training):
        if self.nonlinearity and self._plan is None:
            return base.NormAct._call(self, inputs, training)
        return super()._call(inputs, training)

    def _forward(self, x, training):
        return self._affine(self._output(x, training))

    def _output(self, x: tf.Tensor, training) -> tf.Tensor:
        zero = tf.zeros([1] * x.shape.rank, x.dtype)
        vectors = [None if v is None else self._per_channel(v, x) for v in (self.v0, self.v1)]
        values = [x, zero, *vectors]
        for index, node in enumerate(self._nodes):
            primitive = ops.Primitive(node.op, node.index_set)
            inputs = [values[i] for i in node.inputs]
            values.append(self._run(primitive, inputs, x, self._moving.get(str(index)), training))
        return tf.broadcast_to(values[-1], tf.shape(x))

    def _formula(self):
        return graph_plan.formula(self._plan)

    def _reduction(self, training):
        if not self._plan.aggregates:
            return None
        return keep_input.SECOND_MOMENT if self._plan.squares_alone else keep_input.MOMENTS

    def _rule(self, training):
        rule = super()._rule(training)
        return None if rule is None else (*rule, self._nodes)

    def _vectors(self):
        present = [v for v in (self.v0, self.v1) if v is not None]
        return [self.gamma, self.beta, *present]

    def _coefficients(self, parts, x, training, gamma, beta, *vectors):
        observed = []

        def aggregate(index, node):
            moving = self._moving.get(str(index - ops.NUM_INITIAL_NODES))
            moment = self._moment(node, parts, moving, x, training)
            if node.index_set == "BWH":
                observed.append(moment)
            return primitives.finish_moment(node.op, moment, self.epsilon)

        indices = [i for i, v in ((ops.V0, self.v0), (ops.V1, self.v1)) if v is not None]
        initial = {ops.ZERO: tf.zeros_like(gamma), **dict(zip(indices, vectors, strict=True))}
        values = graph_plan.small_values(self._plan, initial, gamma, aggregate)
        return keep_input.Coefficients((*values, beta), observed=tuple(observed))

    def _moment(self, node, parts, moving, x: tf.Tensor, training) -> tf.Tensor:
        def moment(count=None):
            sets = node.index_set, self.axis, self.effective_groups
            return statistics.moment_of_parts(node.op, parts, *sets, count)

        if node.index_set != "BWH":
            return moment()
        return self._by_mode(
            lambda: moment(self._element_count(x)), lambda: self._per_channel(moving, x), training
        )

    def _moving_weights(self):
        return list(self._moving.values())

    def _add_initial_vector(self, name: str, initializer: str, used: bool):
        if not (used and self.nonlinearity):
            return None
        return compat.add_float32_weight(self, name, (self.channels,), initializer=initializer)

    def _add_moving_moments(self):
        batch = [(i, node.op) for i, node in enumerate(self._nodes) if node.index_set == "BWH"]
        totals, seen = Counter(op for _, op in batch), Counter()
        moving = {}
        for index, op in batch:
            seen[op] += 1
            suffix = f"_{seen[op]}" if totals[op] > 1 else ""
            moving[str(index)] = self._add_moving_moment(op, suffix)
        return moving

    def get_config(self):
        return {**super().get_config(), "graph": self.graph.to_json()}
