"""Layers with random weights, their inputs and oracle cases, which several tests share."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf import oracle
from tests.tiers import everywhere

NAMES = en.names()
BATCH_STATISTICS = ("moving_mean", "moving_variance", "moving_second_moment")
# Table 7's broken variants divide by v1 * x + a root, which may be next to zero; their
# output is compared where it is well-conditioned, for positive x and v1.
DENOMINATOR_CROSSES_ZERO = ("b0_no_global", "b0_max_to_add")
# Statistics of the batch, of groups, and a graph; one rule each for programs of XLA to compile.
EVERYDAY = ("bn_relu", "evonorm_b0", "evonorm_s0", "rs_rej")
each_layer = pytest.mark.parametrize("name", everywhere(NAMES, EVERYDAY))


def relative_error(actual, expected, scale=1e-30):
    """Largest deviation, relative to the largest expected magnitude, at least `scale`."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    return np.max(np.abs(actual - expected)) / max(np.max(np.abs(expected)), scale)


def weights_by_name(layer):
    """A layer's weights as a dict, whichever way this Keras names them."""
    return {weight.name.split("/")[-1].split(":")[0]: weight for weight in layer.weights}


def built(name, shape, seed=0, **kwargs):
    """A layer with random vectors and moving statistics, and these as NumPy arrays."""
    layer = en.get(name, **kwargs)
    layer.build((None, *shape[1:]))
    return layer, randomize(layer, seed)


def randomize(layer, seed=0):
    rng = np.random.default_rng(seed)
    values = {}
    for key, weight in sorted(weights_by_name(layer).items()):
        if key in ("moving_variance", "moving_second_moment"):
            value = rng.uniform(0.5, 2.0, weight.shape)
        elif key == "v1":  # of a graph with DENOMINATOR_CROSSES_ZERO
            value = rng.uniform(0.5, 1.5, weight.shape)
        else:
            value = rng.normal(size=weight.shape) + (0.0 if "mean" in key else 0.5)
        weight.assign(value.astype(np.float32))
        values[key] = value.astype(np.float32).astype(np.float64)
    return values


def data(shape, seed=1, scale=1.5, offset=0.3):
    values = np.random.default_rng(seed).normal(size=shape) * scale + offset
    return values.astype(np.float32)


def feature_map(name, shape, **kwargs):
    x = data(shape, **kwargs)
    return np.abs(x) if name in DENOMINATOR_CROSSES_ZERO else x


def case(x, values, training):
    x = np.asarray(x, np.float64)
    vectors = {key: value for key, value in values.items() if key not in BATCH_STATISTICS}
    moving = {key: value for key, value in values.items() if key in BATCH_STATISTICS}
    return oracle.Case(x, vectors, moving=None if training else moving)


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
