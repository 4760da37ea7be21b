"""Gradients of first and second order against central differences, eager and in a graph."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en

SHAPE = (3, 4, 2, 6)
STEP = 1e-5
# Aggregations of what is computed from x have no plan: plain operations differentiate them.
WITHOUT_PLAN = {
    f"{op} {index_set}": en.LayerGraph(
        (
            en.Node("SIGMOID", (0,)),
            en.Node(op, (4,), index_set),
            en.Node("MUL", (0, 5)),
        )
    )
    for op, index_set in itertools.product(("MEAN", "RMS", "STD"), ("BWH", "WHC", "WH", "WHCQ"))
}


def layers():
    settings = {"dtype": "float64"}
    found = {name: en.get(name, **settings) for name in en.names()}
    for name, graph in WITHOUT_PLAN.items():
        found[f"graph {name}"] = en.GraphLayer(graph, groups=2, **settings)
        found[name] = en.PrimitiveLayer(*name.split(), groups=2, **settings)
    return found


def arrays():
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(0.3, 1.5, SHAPE)) for _ in range(4)]


def randomized(layer):
    layer.build(SHAPE)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return layer


@pytest.mark.one_environment
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("name", sorted(layers()))
def test_gradients_equal_differences(name, graph):
    layer = randomized(layers()[name])
    x, upstream, other, direction = arrays()

    def first(x):
        """A scalar of the output, and one of its gradients."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(layer(x, training=True) * upstream)
        return value, tf.reduce_sum(tape.gradient(value, x) * other)

    def along(x):
        """Derivatives of both scalars in a direction."""
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            scalars = first(x)
        gradients = [tape.gradient(scalar, x, unconnected_gradients="zero") for scalar in scalars]
        return [tf.reduce_sum(gradient * direction) for gradient in gradients]

    # The weights are float32 and count as constants.
    found = (tf.function(along, autograph=False) if graph else along)(x)
    ahead, behind = first(x + STEP * direction), first(x - STEP * direction)
    for derivative, after, before in zip(found, ahead, behind, strict=True):
        np.testing.assert_allclose(derivative, (after - before) / (2 * STEP), rtol=1e-6, atol=1e-8)
