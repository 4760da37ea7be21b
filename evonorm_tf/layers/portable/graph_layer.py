"""`GraphLayer`: any layer graph as a portable layer."""

from keras import ops as keras_ops

from evonorm_tf.graph import ops
from evonorm_tf.layers.arguments import documentation, graphs
from evonorm_tf.layers.portable import base, primitive_layer, primitives


@documentation.public_layer
class GraphLayer(graphs.GraphSettings, base.BatchNormAct, primitive_layer.PrimitiveRunner):
    """Runs a `LayerGraph` (paper section 3): the graph's output * gamma + beta.

    Dead nodes are not computed, and equal nodes are computed once. Each (b, w, h) aggregation has a
    moving average for inference. With `nonlinearity=False` the layer is x * gamma + beta.

    Weights: gamma, beta; v0 and v1 if the graph uses them; for each (b, w, h) aggregation a
    moving_mean, moving_second_moment or moving_variance, numbered from _1 if the graph has several
    of a kind. Each is (channels,) and float32.
    """

    def __init__(self, graph, **kwargs):
        super().__init__(graph, **kwargs)
        primitives.check_are_the_papers(node.op for node in self._nodes)

    def _output(self, x, statistics, training):
        zero = keras_ops.zeros([1] * len(x.shape), x.dtype)
        vectors = [None if v is None else self._per_channel(v, x) for v in (self.v0, self.v1)]
        values = [x, zero, *vectors]
        for index, node in enumerate(self._nodes):
            primitive = ops.Primitive(node.op, node.index_set)
            inputs = [values[i] for i in node.inputs]
            moving = self._moving.get(str(index))
            values.append(self._value(primitive, inputs, statistics, moving, training))
        return self._affine(values[-1])
