"""What runs inside the search is exactly what `GraphLayer` computes."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
import search
from evonorm_tf import registry
from search.evaluation.searched_layer import SearchedLayer

SHAPE = (4, 3, 2, 8)
NAMES = ("evonorm_b0", "evonorm_s0", "rs_rej", "b0_no_global")
BATCH = en.LayerGraph(
    (
        en.Node("MEAN", (0,), "BWH"),
        en.Node("RMS", (0,), "BWH"),
        en.Node("STD", (0,), "BWH"),
        en.Node("ADD", (4, 5)),
        en.Node("MUL", (7, 6)),
        en.Node("ADD", (8, 2)),
        en.Node("MUL", (9, 0)),
    )
)


def _graphs():
    rng = np.random.default_rng(4)
    sampled = [search.sample_graph(rng) for _ in range(120)]
    return (
        [registry.graph(name) for name in NAMES] + [BATCH] + [g for g in sampled if 0 in g.live()]
    )


def _weights(rng):
    draw = lambda mean: rng.normal(mean, 0.3, SHAPE[-1]).astype(np.float32)  # noqa: E731
    return {"gamma": draw(1), "beta": draw(0), "v0": draw(0), "v1": draw(1)}


def _run(layer, weights, x):
    """Output and gradients in training twice, then the output in inference."""
    for name, value in weights.items():
        if getattr(layer, name, None) is not None:
            getattr(layer, name).assign(value)
    results = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        sources = [x, layer.gamma, layer.beta]
        results += [y, *tape.gradient(y, sources, unconnected_gradients="zero")]
    return [np.asarray(value) for value in [*results, layer(x, training=False)]]


def test_equals_graph_layer_for_one_graph_after_another():
    rng = np.random.default_rng(1)
    x = tf.constant(rng.normal(size=SHAPE))
    searched = SearchedLayer(max_nodes=10, groups=4, dtype="float64")
    searched.build(SHAPE)
    graphs = _graphs()
    assert len(graphs) > 25
    for graph in graphs:
        weights = _weights(rng)
        searched.set_graph(graph)
        got = _run(searched, weights, x)
        plain = en.GraphLayer(graph, groups=4, dtype="float64")
        plain.build(SHAPE)
        for expected, value in zip(_run(plain, weights, x), got, strict=True):
            # Moving averages are float32 in both.
            bound = 1e-6 * np.abs(expected).max()
            np.testing.assert_allclose(
                value, expected, rtol=1e-6, atol=bound, err_msg=graph.formula()
            )


def test_moving_averages_start_anew_with_each_graph():
    x = tf.random.normal(SHAPE, seed=3)
    layer = SearchedLayer(max_nodes=10)
    layer.build(SHAPE)
    layer.set_graph(BATCH)
    before = layer(x, training=False).numpy()
    layer(x + 5.0, training=True)
    assert np.abs(layer(x, training=False).numpy() - before).max() > 0.1
    layer.set_graph(registry.graph("evonorm_b0"))
    layer.set_graph(BATCH)
    np.testing.assert_array_equal(layer(x, training=False), before)


@pytest.mark.parametrize(("name", "unused"), [("evonorm_b0", ["v0"]), ("rs_rej", ["v0", "v1"])])
def test_unused_weights(name, unused):
    layer = SearchedLayer(max_nodes=10)
    layer.build(SHAPE)
    layer.set_graph(registry.graph(name))
    assert [weight.ref() for weight in layer.unused_weights()] == [
        getattr(layer, vector).ref() for vector in unused
    ]


def test_without_nonlinearity_the_graph_does_not_matter():
    layer = SearchedLayer(max_nodes=10, nonlinearity=False)
    layer.build(SHAPE)
    layer.gamma.assign([2.0] * SHAPE[-1])
    layer.set_graph(BATCH)
    x = tf.random.normal(SHAPE, seed=2)
    np.testing.assert_array_equal(layer(x, training=True), 2 * x)
    assert layer.unused_weights() == []
