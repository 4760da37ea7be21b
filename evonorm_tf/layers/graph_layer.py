"""`GraphLayer`: any layer graph as a Keras layer."""

import tensorflow as tf

from evonorm_tf.fused import graph_plan, keep_input
from evonorm_tf.fused.computation import MOMENTS, SECOND_MOMENT, Coefficients
from evonorm_tf.graph import ops
from evonorm_tf.layers import base, fused_layer, parts, primitive_layer
from evonorm_tf.layers.arguments import documentation, graphs
from evonorm_tf.numerics import primitives, statistics


@documentation.public_layer
class GraphLayer(graphs.GraphSettings, fused_layer.FusedBatchNormAct, parts.ChannelGroups):
    """Runs a `LayerGraph` (paper section 3): the graph's output * gamma + beta.

    Dead nodes are not computed, and equal nodes are computed once. If x is the input of every
    aggregation, the backward pass keeps only x, as in the layers with classes of their own. Each
    (b, w, h) aggregation has a moving average for inference. With `nonlinearity=False` the layer
    is x * gamma + beta.

    Weights: gamma, beta; v0 and v1 if the graph uses them; for each (b, w, h) aggregation a
    moving_mean, moving_second_moment or moving_variance (of a registered one, moving_ and its
    name), numbered from _1 if the graph has several of a kind. Each is (channels,) and float32.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> graph = en.LayerGraph((en.Node("SIGMOID", (0,)), en.Node("MUL", (0, 4))), name="silu")
      >>> en.GraphLayer(graph)(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    def __init__(self, graph, **kwargs):
        super().__init__(graph, **kwargs)
        self._plan = graph_plan.plan(self._nodes)

    def _call(self, inputs, training):
        if self.nonlinearity and self._plan is None:
            return base.NormAct._call(self, inputs, training)
        return super()._call(inputs, training)

    def _passes(self, computation, x, training):
        # XLA need not know the operations of a registered primitive.
        if any(ops.registered(node.op) for node in self._nodes):
            return keep_input.PLAIN
        return super()._passes(computation, x, training)

    def _forward(self, x, training):
        return self._affine(self._output(x, training))

    def _output(self, x: tf.Tensor, training) -> tf.Tensor:
        zero = tf.zeros([1] * x.shape.rank, x.dtype)
        vectors = [None if v is None else self._per_channel(v, x) for v in (self.v0, self.v1)]
        values = [x, zero, *vectors]
        for index, node in enumerate(self._nodes):
            primitive = ops.Primitive(node.op, node.index_set)
            inputs = [values[i] for i in node.inputs]
            moving = self._moving.get(str(index))
            values.append(
                primitive_layer.run_primitive(self, primitive, inputs, x, moving, training)
            )
        return tf.broadcast_to(values[-1], tf.shape(x))

    def _formula(self):
        return graph_plan.GraphFormula(self._plan)

    def _context(self, x, training):
        return super()._context(x, training)._replace(extra=self._plan)

    def _reduction(self, context):
        if not self._plan.aggregates:
            return None
        return SECOND_MOMENT if self._plan.needs_only_squares else MOMENTS

    def _weights(self):
        return {
            name: getattr(self, name)
            for name in ("gamma", "beta", "v0", "v1")
            if getattr(self, name) is not None
        }

    @classmethod
    def _coefficients(cls, moments, context, *, gamma, beta, **vectors):
        observed = []

        def aggregate(node):
            moment = cls._moment(node, moments, context, len(observed))
            if node.index_set == "BWH":
                observed.append(moment)
            return primitives.finish_moment(node.op, moment, context.epsilon)

        indices = {ops.INITIAL_NODE_NAMES.index(name): v for name, v in vectors.items()}
        indices[ops.ZERO] = tf.zeros_like(gamma)
        values = graph_plan.coefficients(context.extra, indices, gamma, aggregate)
        return Coefficients({**values, "offset": beta}, observed=tuple(observed))

    @staticmethod
    def _moment(node, moments, context, position: int) -> tf.Tensor:
        """The moment of an aggregation; `position` is its index among those over (b, w, h)."""

        def moment(elements=None):
            sets = node.index_set, context.axis, context.groups
            return statistics.moment_of_parts(node.op, moments, *sets, elements)

        if node.index_set != "BWH":
            return moment()
        return context.batch.choose(moment, lambda *moving: moving[position])
