"""`PrimitiveLayer`: one primitive of table 2 as a portable layer."""

from typing import Any

from keras import ops as keras_ops

from evonorm_tf.graph import ops
from evonorm_tf.layers.arguments import documentation, graphs
from evonorm_tf.layers.portable import base, primitives
from evonorm_tf.layers.portable.statistics import Statistics


class PrimitiveRunner(base.BatchStatistics, base.ChannelGroups):
    """A layer that runs primitives."""

    def _value(
        self, primitive: ops.Primitive, inputs: Any, statistics: Statistics, moving, training
    ) -> Any:
        """The value of a primitive, which may have size 1 on axes along which it does not vary.

        Args:
          primitive: what to compute.
          inputs: tensors that broadcast to the feature map, in its dtype.
          statistics: those of this call.
          moving: the weight with the moving average of a (b, w, h) aggregation, else None.
          training: whether such an aggregation uses the batch, and updates the moving average.
        """
        op, index_set = primitive
        if index_set is None:
            return primitives.ELEMENTWISE[op](*inputs)
        (x,) = inputs
        if primitive.uses_batch and not self._in_training(training):
            moment = self._per_channel(moving, x)
        else:
            moment = primitives.moment(op, x, index_set, statistics)
            if primitive.uses_batch:
                self._move(moving, moment, statistics)
        return primitives.finish_moment(op, moment, self.epsilon)

    def _move(self, moving, value, statistics):
        # The moment of a value that is equal for all channels has one element.
        flat = keras_ops.broadcast_to(keras_ops.reshape(value, (-1,)), (self.channels,))
        super()._move(moving, flat, statistics)


@documentation.public_layer
class PrimitiveLayer(graphs.PrimitiveSettings, PrimitiveRunner):
    """One of the 24 primitives (paper section 3, table 2) as a Keras layer.

    An aggregation replaces each element by the moment of its index set: MEAN by mu_I(x), RMS by
    sqrt(mu_I(x^2) + epsilon), STD by sqrt(s^2_I(x) + epsilon). Over (b, w, h) it uses the batch in
    training and a moving average in inference.

    Operations of two inputs are called with a list or tuple of two tensors of one shape.

    Weights: for (b, w, h), one of moving_mean, moving_second_moment, moving_variance.
    """

    def __init__(self, op, index_set=None, groups=32, **kwargs):
        super().__init__(op, index_set, groups=groups, **kwargs)
        primitives.check_are_the_papers([op])

    def compute_output_shape(self, input_shape):
        """The shape of the input, or of the first of two inputs."""
        return tuple(input_shape if self.primitive.arity == 1 else input_shape[0])

    def _forward(self, *tensors, statistics, training):
        return self._value(self.primitive, tensors, statistics, self.moving, training)
