"""Layers with random weights on TensorFlow, and their gradients, which several tests share."""

import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.layer_values import (  # noqa: F401
    BATCH_STATISTICS,
    DENOMINATOR_CROSSES_ZERO,
    case,
    data,
    feature_map,
    randomize,
    relative_error,
    weights_by_name,
)
from tests.tiers import everywhere

NAMES = en.names()
# Statistics of the batch, of groups, and a graph; one rule each for programs of XLA to compile.
EVERYDAY = ("bn_relu", "evonorm_b0", "evonorm_s0", "rs_rej")
each_layer = pytest.mark.parametrize("name", everywhere(NAMES, EVERYDAY))


def built(name, shape, seed=0, **kwargs):
    """A layer with random vectors and moving statistics, and these as NumPy arrays."""
    layer = en.get(name, **kwargs)
    layer.build((None, *shape[1:]))
    return layer, randomize(layer, seed)


def raw(weight):
    """The tf.Variable behind a weight; Keras 3 wraps it."""
    return weight if isinstance(weight, tf.Variable) else weight.value


def outputs_and_gradients(layer, x, upstream, training):
    trainable = [raw(weight) for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) * upstream)
    return [y, *tape.gradient(loss, [x, *trainable])]
