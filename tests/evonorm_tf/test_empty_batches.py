"""Batches without examples: no gradient is NaN, and nothing moves.

Strategies hand them to replicas when the last examples of a data set do not suffice for all.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.xla_cpu import programs
from tests.evonorm_tf.graph_cases import weights_by_name
from tests.evonorm_tf.layer_cases import raw
from tests.tiers import everywhere, tiered

SHAPE = (4, 4, 8)
# Moments of the batch times vectors, a batch moment of another, and all of table 2's kinds.
OF_VECTORS = en.LayerGraph(
    (
        en.Node("STD", (0,), "BWH"),
        en.Node("MUL", (3, 4)),
        en.Node("RMS", (0,), "BWH"),
        en.Node("MUL", (5, 6)),
        en.Node("MEAN", (7,), "BWH"),
        en.Node("ADD", (2, 8)),
        en.Node("DIV", (0, 9)),
    )
)


NAMES, KINDS = [*en.names(), "graph"], ["eager", "graph", "XLA", "programs"]
# One of each way to compute a gradient: fused with moments, grouped, of a graph, and plain.
CHOSEN = ["bn_relu", "evonorm_b0", "evonorm_s0", "rs_rej", "graph"]
CASES = tiered(
    itertools.product(NAMES, KINDS),
    everyday=[("evonorm_b0", "graph"), ("graph", "graph")],
    slow=list(itertools.product(CHOSEN, KINDS)),
)


def new_layer(name):
    return en.GraphLayer(OF_VECTORS) if name == "graph" else en.get(name)


def randomized(layer, shape=SHAPE):
    layer.build((None, *shape))
    rng = np.random.default_rng(0)
    for _, weight in sorted(weights_by_name(layer).items()):
        weight.assign(rng.uniform(0.5, 1.5, weight.shape).astype(np.float32))
    return layer


def values(layer):
    return {name: np.asarray(weight).copy() for name, weight in weights_by_name(layer).items()}


@pytest.mark.one_environment
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_gradients_are_zero_and_nothing_moves(name, kind, monkeypatch):
    if kind == "programs":
        monkeypatch.setattr(programs, "_LEAST_ELEMENTS", 0)
    layer = randomized(new_layer(name))
    vectors = [raw(weight) for weight in layer.trainable_weights]
    before = values(layer)

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.square(y))
        return [y, *tape.gradient(loss, vectors, unconnected_gradients="zero")]

    run = gradients
    if kind in ("graph", "XLA"):
        spec = [tf.TensorSpec((None, *SHAPE))]
        run = tf.function(gradients, spec, autograph=False, jit_compile=kind == "XLA")
    y, *found = run(tf.zeros((0, *SHAPE)))
    assert y.shape == (0, *SHAPE)
    for gradient in found:
        np.testing.assert_array_equal(gradient, 0.0)
    for weight, value in values(layer).items():
        np.testing.assert_array_equal(value, before[weight], err_msg=weight)


@pytest.mark.one_environment
@pytest.mark.parametrize("name", ["bn_relu", "evonorm_b0"])
def test_images_without_pixels_move_nothing(name):
    layer = new_layer(name)
    layer.build((None, None, None, SHAPE[-1]))
    before = values(layer)
    run = tf.function(lambda x: layer(x, training=True), autograph=False)
    spec = tf.TensorSpec((None, None, None, SHAPE[-1]))
    run.get_concrete_function(spec)(tf.zeros((2, 0, 4, SHAPE[-1])))
    for weight, value in values(layer).items():
        np.testing.assert_array_equal(value, before[weight], err_msg=weight)


@pytest.mark.slow
@pytest.mark.parametrize("synchronized", [False, True])
@pytest.mark.parametrize("name", everywhere(["bn_relu", "evonorm_b0", "rs_rej"], ["evonorm_b0"]))
def test_fit_where_a_replica_has_no_example(name, synchronized, strategy):
    """Nine examples in batches of eight: the last batch has one, on two replicas."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(9, *SHAPE)).astype(np.float32)
    labels = rng.integers(0, 3, 9)
    with strategy.scope():
        layer = en.get(name, synchronized=synchronized)
        model = tf.keras.Sequential(
            [
                tf.keras.Input(SHAPE),
                tf.keras.layers.Dense(8),
                layer,
                tf.keras.layers.GlobalAveragePooling2D(),
                tf.keras.layers.Dense(3),
            ]
        )
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(tf.keras.optimizers.SGD(0.1), loss)
    before = values(layer)
    history = model.fit(images, labels, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, value in values(layer).items():
        assert np.isfinite(value).all(), weight
        assert np.abs(value - before[weight]).max() > 0, weight
