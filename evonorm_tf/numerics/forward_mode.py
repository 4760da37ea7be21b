"""Detects forward-mode differentiation by `tf.autodiff.ForwardAccumulator`.

An accumulator differentiates a custom gradient with respect to its upstream gradient, which fails
for a gradient that uses a tape. The layers use plain operations there. An accumulator inside a
`tf.function` works as in eager mode. TensorFlow fails for one outside a `tf.function` with custom
gradients of second order, which these layers have.
"""

import tensorflow as tf

# TensorFlow has no public name for this check.
from tensorflow.python.eager import forwardprop_util


def is_active(*tensors: tf.Tensor) -> bool:
    """Whether an accumulator follows one of the tensors."""
    return bool(forwardprop_util.pack_tangents(list(tensors)).tangents)
