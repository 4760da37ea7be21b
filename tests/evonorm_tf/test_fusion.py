"""What the fused layers keep from the forward for the backward pass: their input."""

import cProfile
import functools
import gc
import types
import weakref

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.fused import computation, keep_input
from evonorm_tf.layers import fused_layer
from tests.tiers import everywhere, tiered

LAYERS = {name: en.get(name) for name in en.names()}
FUSED = [
    name
    for name, layer in LAYERS.items()
    if isinstance(layer, fused_layer.FusedNormAct) and not isinstance(layer, en.GraphLayer)
]
SHAPE = (4, 6, 6, 8)
EVERYDAY = ("bn_relu", "evonorm_b0", "evonorm_s0")


def test_all_the_papers_evonorms_and_their_rivals_are_fused():
    papers = {f"evonorm_{name}" for name in ("b0", "b1", "b2", "s0", "s1", "s2")}
    assert papers | {"bn_relu", "bn_silu", "gn_relu", "gn_silu", "ln_relu", "frn"} <= set(FUSED)


def kept(layer, dtype):
    """Names of the arrays of the input's size that the backward pass takes from the forward."""
    forward, weights = set(), [weight.value for weight in layer.trainable_weights]
    if not tf.is_tensor(weights[0]) and callable(weights[0]):  # Keras 2
        weights = layer.trainable_weights

    @tf.function(autograph=False)
    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        forward.update(op.name for op in tf.compat.v1.get_default_graph().get_operations())
        return tape.gradient(y, [x, *weights], upstream)

    spec = tf.TensorSpec(SHAPE, dtype)
    graph = step.get_concrete_function(spec, spec).graph
    backward = [op for op in graph.get_operations() if op.name not in forward]
    assert len(backward) > 10
    return {
        tensor.op.name
        for op in backward
        for tensor in op.inputs
        if tensor.op.name in forward and tensor.shape.num_elements() == np.prod(SHAPE)
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", everywhere(tiered(FUSED, EVERYDAY), EVERYDAY))
def test_a_graph_keeps_the_input_alone(name, dtype):
    layer = en.get(name, dtype="float32" if dtype == "float32" else "mixed_bfloat16")
    layer.build(SHAPE)
    assert kept(layer, dtype) == {"x", "upstream"}


def test_an_eager_tape_keeps_the_input_alone():
    on_the_way = []

    def formula(x, scale, offset):
        product = tf.exp(x) * scale
        on_the_way.append(weakref.ref(product))
        return tf.sin(product + offset)

    def coefficients(moments, _, gamma, beta):
        return computation.Coefficients({"scale": gamma / moments.variance, "offset": beta})

    context = computation.Context(axis=-1, epsilon=0.0)
    computed = computation.Computation(formula, coefficients, context, computation.MOMENTS)
    x = tf.random.stateless_normal(SHAPE, [1, 2])
    weights = {"gamma": tf.ones(SHAPE[-1]), "beta": tf.zeros(SHAPE[-1])}
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, _ = keep_input.keep_input(computed, x, weights, "float32")
    gc.collect()
    assert [product() for product in on_the_way] == [None]
    assert np.abs(tape.gradient(y, x)).max() > 0
    assert len(on_the_way) == 2


def steps_back(name, depth):
    """Operations that TensorFlow visits, to look for variables, in tracing a chain of layers."""
    layers = [en.get(name) for _ in range(depth)]
    for layer in layers:
        layer.build(SHAPE)

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = functools.reduce(lambda y, layer: layer(y, training=True), layers, x)
        return tape.gradient(y, x)

    profile = cProfile.Profile()
    profile.runcall(step.get_concrete_function, tf.TensorSpec(SHAPE))
    return sum(entry.callcount for entry in profile.getstats() if walks(entry.code))


def walks(code):
    return isinstance(code, types.CodeType) and (
        code.co_filename.endswith("op_selector.py") and code.co_name == "is_differentiable"
    )


@pytest.mark.parametrize(
    "name",
    everywhere(tiered(FUSED, ["evonorm_b0"], ["bn_relu", "evonorm_s0", "frn"]), ["evonorm_b0"]),
)
def test_what_lies_before_a_layer_does_not_slow_its_tracing(name):
    one, two, four = (steps_back(name, depth) for depth in (1, 2, 4))
    assert one > 0
    assert four - two == 2 * (two - one)
