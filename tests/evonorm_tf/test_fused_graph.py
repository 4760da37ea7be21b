"""What of a graph is computed for each element, and what for each example and channel."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import registry
from evonorm_tf.fused import graph_plan
from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.xla_cpu import programs
from tests.evonorm_tf.layer_cases import raw

FIRST = ops.NUM_INITIAL_NODES


@pytest.mark.parametrize(
    ("name", "factors", "values"),
    [
        ("evonorm_s0", ["DIV"], 1),  # by the deviation; v goes into the sigmoid
        ("evonorm_s1", ["DIV"], 0),
        ("evonorm_s2", ["DIV"], 0),
        ("evonorm_b1", [], 3),  # a maximum with x divides; 1 is exp(0)
    ],
)
def test_what_divides_the_output_becomes_part_of_gamma(name, factors, values):
    plan = graph_plan.plan(registry.graph(name).canonical().nodes)
    assert [op for op, _ in plan.factors] == factors
    assert len(plan.coefficients) == values


def test_factors_in_a_row_and_their_gradients():
    """tanh(x) * v1 / rms(x), once as it stands and once behind what keeps its factors large."""
    chain = [
        Node("TANH", (ops.INPUT,)),
        Node("MUL", (ops.V1, FIRST)),
        Node("RMS", (ops.INPUT,), "WH"),
        Node("DIV", (FIRST + 1, FIRST + 2)),
    ]
    kept = [*chain, Node("ADD", (FIRST + 3, ops.ZERO))]
    graphs = [LayerGraph(tuple(nodes)) for nodes in (chain, kept)]
    found = [graph_plan.plan(graph.canonical().nodes).factors for graph in graphs]
    assert [[op for op, _ in factors] for factors in found] == [["DIV", "MUL"], []]
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
    results = []
    for graph in graphs:
        layer = en.GraphLayer(graph, dtype="float64")
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.square(layer(x, training=True) - 1.0))
        sources = [x, *map(raw, layer.trainable_weights)]
        results.append([loss, *tape.gradient(loss, sources)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("least_elements", [0, 10**9])
def test_a_coefficient_of_each_example_alone(least_elements, monkeypatch):
    """max(x, rms(x)) with one rms for all channels of an example, in programs and without."""
    monkeypatch.setattr(programs, "_LEAST_ELEMENTS", least_elements)
    nodes = Node("RMS", (ops.INPUT,), "WHC"), Node("MAX", (ops.INPUT, FIRST))
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    upstream = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = en.GraphLayer(LayerGraph(nodes))(variable, training=True)
    gradient = tape.gradient(y, variable, upstream)
    root = np.sqrt(np.mean(np.square(x), (1, 2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, np.maximum(x, root), rtol=1e-6)
    through_root = np.sum(upstream * (x < root), (1, 2, 3), keepdims=True) * x / (root * 60)
    np.testing.assert_allclose(gradient, upstream * (x > root) + through_root, atol=1e-6)
