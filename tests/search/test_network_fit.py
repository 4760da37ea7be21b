"""`search.fit_graph`: a layer for a trained network, by regression."""

import itertools
import types

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
import search
from search import network_fit
from search.evaluation import normalization
from search.evaluation.engine.instructions import Sizes
from search.evaluation.engine.layer_program import LayerProgram

layers = tf.keras.layers
RELU = en.LayerGraph((en.Node("MAX", (0, 1)),), name="relu")


def network():
    tf.keras.utils.set_random_seed(1)
    inputs = x = tf.keras.Input((8, 8, 3))
    for filters in (8, 16):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return tf.keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def images(count=50):
    return np.random.default_rng(0).normal(size=(count, 8, 8, 3)).astype("float32")


def place(function):
    u = np.random.default_rng(1).normal(size=(8, 6, 10)).astype("float32")
    return network_fit.Place(u, function(u), Sizes(u.shape, 4))


def test_the_share_is_that_of_the_best_gamma_and_beta():
    relu = place(lambda u: 3 - 2 * np.maximum(u, 0))
    assert network_fit.share_kept(RELU, [relu]) == pytest.approx(1, abs=1e-5)
    noise = place(lambda u: np.random.default_rng(2).normal(size=u.shape).astype("float32"))
    assert network_fit.share_kept(RELU, [noise]) < 0.2
    both = network_fit.share_kept(RELU, [relu, noise])
    assert both == pytest.approx((1 + network_fit.share_kept(RELU, [noise])) / 2, abs=1e-5)


def test_the_layer_agrees_with_least_squares():
    one = place(lambda u: u**2 + u)
    x = np.maximum(one.x, 0).reshape(8, -1).astype("float64")
    y = one.target.reshape(8, -1).astype("float64")
    left = 0.0
    for a, b in zip(x, y, strict=True):
        design = np.stack([a, np.ones_like(a)], 1)
        left += np.square(b - design @ np.linalg.lstsq(design, b, rcond=None)[0]).sum()
    total = np.square(y - y.mean(1, keepdims=True)).sum()
    assert network_fit.share_kept(RELU, [one]) == pytest.approx(1 - left / total, abs=1e-4)


@pytest.fixture
def _a_second_for_each_genotype(monkeypatch):
    """A clock of the search that makes its limit a number of genotypes."""
    clock = types.SimpleNamespace(monotonic=itertools.count().__next__)
    monkeypatch.setattr(network_fit, "time", clock)


# With these seeds a graph that normalizes is among the first 1000 genotypes.
@pytest.mark.parametrize(("batch_independent", "seed"), [(True, 10), (False, 8)])
@pytest.mark.usefixtures("_a_second_for_each_genotype")
def test_a_graph_is_found_that_normalizes_and_can_be_used(batch_independent, seed):
    model = network()
    found = search.fit_graph(
        model,
        images(),
        batch_independent=batch_independent,
        groups=4,
        minutes=1000 / 60,
        seed=seed,
    )
    assert found.tried >= 1 and 0 < found.kept <= 1
    assert normalization.normalizes(LayerProgram(found.graph))
    assert ("evonorm_b0" in found.known) is not batch_independent
    assert "evonorm_s0" in found.known and "gn_relu" not in found.known
    new, report = en.convert_model(model, found.graph, groups=4, calibrate=images())
    assert report.count("fused") == 2 and new(images()).shape == (50, 4)


def test_refusals():
    with pytest.raises(ValueError, match="must have a batch norm that an activation follows"):
        plain = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), layers.Conv2D(2, 3)])
        search.fit_graph(plain, images())
    with pytest.raises(ValueError, match="must have batches of the input's shape"):
        search.fit_graph(network(), images()[..., :2])
    with pytest.raises(ValueError, match="no graph that normalizes was found in 0 minutes"):
        search.fit_graph(network(), images(), minutes=0)
