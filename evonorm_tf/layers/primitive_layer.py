"""`PrimitiveLayer`: one primitive of table 2 as a Keras layer."""

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.graph import ops
from evonorm_tf.layers import parts
from evonorm_tf.layers.arguments import documentation, graphs
from evonorm_tf.numerics import masks, primitives, registered, statistics


def run_primitive(layer, primitive: ops.Primitive, inputs, x, moving, training) -> tf.Tensor:
    """The value of a primitive, which may have size 1 on axes along which it does not vary.

    Args:
      layer: a layer with `BatchStatistics` and `ChannelGroups`, whose settings apply.
      primitive: what to compute.
      inputs: tensors that broadcast to x, in x's dtype.
      x: the feature map.
      moving: the weight with the moving average of a (b, w, h) aggregation, else None.
      training: whether such an aggregation uses the batch, and updates the moving average.
    """
    op, index_set = primitive
    if index_set is None:
        return primitives.elementwise(op, *inputs)

    def moment(elements=None):
        groups = layer.effective_groups
        if ops.registered(op):
            _check_alone(op, elements)
            (value,) = inputs
            full = tf.ensure_shape(tf.broadcast_to(value, tf.shape(x)), x.shape)
            return registered.aggregation(op, full, index_set, layer.axis, groups)
        return statistics.moment(op, *inputs, index_set, layer.axis, groups, elements)

    def batch_moment(elements):
        value = tf.broadcast_to(moment(elements), layer._channel_shape(x))
        layer._move(moving, value, x)
        return value

    if primitive.uses_batch:
        mode = layer._batch_mode([moving], x, training)
        value = mode.choose(batch_moment, lambda moving_moment: moving_moment)
    else:
        value = moment()
    return primitives.finish_moment(op, value, layer.epsilon)


def _check_alone(op: str, elements: tf.Tensor | None) -> None:
    """Raises ValueError where a registered aggregation would have to be merged from parts."""
    if masks.current() is not None:
        raise ValueError(f"a registered aggregation cannot be masked. Received: {op} with a mask")
    if elements is not None and statistics.replica_context() is not None:
        raise ValueError(
            "replicas cannot share the statistics of a registered aggregation. "
            f"Received: synchronized=True with {op}"
        )


@documentation.public_layer
class PrimitiveLayer(graphs.PrimitiveSettings, parts.BatchStatistics, parts.ChannelGroups):
    """One of the 24 primitives (paper section 3, table 2), or a registered one, as a Keras layer.

    Element-wise operations are computed by the functions of `evonorm_tf.numerics.primitives`.
    An aggregation replaces each element by the moment of its index set: MEAN by mu_I(x), RMS
    by sqrt(mu_I(x^2) + epsilon), STD by sqrt(s^2_I(x) + epsilon). Over (b, w, h) it uses
    the batch in training and a moving average in inference.

    Operations of two inputs are called with a list or tuple of two tensors of one shape.

    Weights: for (b, w, h), one of moving_mean, moving_second_moment, moving_variance; for a
    registered aggregation, moving_ and its name in small letters.

    Example:
      >>> import evonorm_tf as en, tensorflow as tf
      >>> en.PrimitiveLayer("STD", "BWH")(tf.ones([2, 8, 8, 16]), training=True).shape
      TensorShape([2, 8, 8, 16])
    """

    def _call(self, inputs, training):
        tensors = [inputs] if self.primitive.arity == 1 else inputs
        tensors = [self._to_statistics_dtype(tensor) for tensor in tensors]
        value = run_primitive(self, self.primitive, tensors, tensors[0], self.moving, training)
        return tf.cast(tf.broadcast_to(value, tf.shape(tensors[0])), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the input, or of the first of two inputs."""
        return compat.output_shape(input_shape if self.primitive.arity == 1 else input_shape[0])
