"""Gradients of first and second order against central differences, eager and in a graph."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.tiers import tiered

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


SETTINGS = {"dtype": "float64"}
NAMES = [*en.names(), *(f"{kind}{name}" for kind in ("", "graph ") for name in WITHOUT_PLAN)]
# One of each way to compute a gradient: fused with moments, grouped, without a plan, and plain.
CHOSEN = ["bn_relu", "evonorm_b0", "evonorm_b2", "evonorm_s0", "graph STD BWH", "STD WHCQ"]
CASES = tiered(
    itertools.product(NAMES, [False, True]),
    everyday=[("evonorm_b0", True), ("graph STD BWH", True)],
    slow=[(name, graph) for name in NAMES for graph in [True, False][: 1 + (name in CHOSEN)]],
)


def new_layer(name):
    if name in en.names():
        return en.get(name, **SETTINGS)
    if name in WITHOUT_PLAN:
        return en.PrimitiveLayer(*name.split(), groups=2, **SETTINGS)
    return en.GraphLayer(WITHOUT_PLAN[name.removeprefix("graph ")], groups=2, **SETTINGS)


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
@pytest.mark.parametrize(("name", "graph"), CASES)
def test_gradients_equal_differences(name, graph):
    layer = randomized(new_layer(name))
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
