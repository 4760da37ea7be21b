"""Layers, inputs and first-order gradients of the tests of XLA programs."""

import numpy as np
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.layer_cases import raw

# Eight slices; seven; and a prime number of rows, which has a single slice.
SHAPES = [(3, 8, 4, 32), (2, 7, 5, 16), (2, 1, 13, 8)]
# Statistics of the batch, of groups, both as formulas of their own, and one plan of a graph.
EVERYDAY = ("bn_relu", "evonorm_b0", "evonorm_s0", "evonorm_b0 graph")
NAMES = ("gamma", "beta", "v", "v0", "v1")


def layer_of(name, shape, dtype="float32", **settings):
    registered, _, graph = name.partition(" ")
    if graph:
        layer = en.GraphLayer(en.registry.graph(registered), dtype=dtype)
    else:
        layer = en.get(registered, dtype=dtype, **settings)
    layer.build(shape)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return layer


def arrays(shape, offset=0.5, scale=2.0):
    rng = np.random.default_rng(0)
    return rng.normal(offset, scale, shape), rng.normal(size=shape), rng.normal(size=shape)


def first_order(layer, x, upstream, training=True):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
    return [y, *tape.gradient(y, [x, *vectors_of(layer)], upstream)]


def vectors_of(layer):
    return [raw(getattr(layer, name)) for name in NAMES if getattr(layer, name, None) is not None]
