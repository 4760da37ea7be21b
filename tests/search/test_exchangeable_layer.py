"""The layer inside a TensorFlow function: the numbers of `GraphLayer`, and no second trace."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import registry
from search.evaluation.exchangeable_layer import ExchangeableLayer, exchangeable

SHAPE = (4, 3, 2, 8)
NAMES = ("evonorm_b0", "evonorm_s0", "rs_rej", "b0_no_local")


@pytest.fixture(scope="module")
def x():
    return tf.random.normal(SHAPE, seed=3)


def built(**kwargs):
    layer = ExchangeableLayer(groups=4, **kwargs)
    layer.build((None, None, None, SHAPE[-1]))
    return layer


def test_equals_graph_layer_for_one_graph_after_another(x):
    layer = built()

    @tf.function(autograph=False)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(loss, [x, *layer.trainable_weights])]

    infer = tf.function(lambda x: layer(x, training=False), autograph=False)
    for name in NAMES:
        graph = registry.graph(name)
        layer.start(exchangeable(graph))
        plain = en.GraphLayer(graph, groups=4)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = plain(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        x_gradient, gamma_gradient = tape.gradient(loss, [x, plain.gamma])
        actual = run(x)
        for one, other in zip(actual, (y, x_gradient, gamma_gradient), strict=False):
            np.testing.assert_allclose(one, other, atol=2e-6, err_msg=name)
        np.testing.assert_allclose(infer(x), plain(x, training=False), atol=2e-6)
    assert run.experimental_get_tracing_count() == infer.experimental_get_tracing_count() == 1


def test_moving_averages_restart_with_each_graph(x):
    layer = built()
    layer.start(exchangeable(registry.graph("evonorm_b0")))
    before = layer(x, training=False).numpy()
    layer(10 * x, training=True)
    assert np.abs(layer(x, training=False).numpy() - before).max() > 0.1
    layer.start(exchangeable(registry.graph("evonorm_b0")))
    np.testing.assert_array_equal(layer(x, training=False), before)


def test_without_nonlinearity_the_graph_does_not_matter(x):
    layer = built(nonlinearity=False)
    gamma, _ = layer.trainable_weights
    gamma.assign([2.0] * SHAPE[-1])
    layer.start(exchangeable(registry.graph("evonorm_b0")))
    np.testing.assert_array_equal(layer(x, training=True), 2 * x)
