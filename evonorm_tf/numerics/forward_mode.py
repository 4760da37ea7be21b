"""Where `tf.autodiff.ForwardAccumulator` is at work.

It finds the derivative of a custom gradient by differentiating that gradient for what comes from
above, and does not see through one that is made with a tape. Plain operations serve there. An
accumulator within a `tf.function` works as in eager mode; TensorFlow fails where it is around one
that has custom gradients of second order, as these layers have.
"""

import tensorflow as tf

# TensorFlow has no public name for it.
from tensorflow.python.eager import forwardprop_util


def follows(*tensors: tf.Tensor) -> bool:
    """Whether an accumulator has a derivative of one of the tensors."""
    return bool(forwardprop_util.pack_tangents(list(tensors)).tangents)
