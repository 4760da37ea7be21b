"""Conditional norm-act layers against the float64 oracles, gamma and beta of each example."""

import numpy as np
import pytest
import tensorflow as tf

import trainers  # noqa: F401

# isort: split
import evonorm_tf as en
from evonorm_tf import registry
from tests.evonorm_tf import oracle
from trainers.gan import losses
from trainers.gan.conditional import ConditionalNormAct
from trainers.gan.spectral import SpectralConv2D, SpectralDense, SpectralEmbedding, kernels

# Kernels of more rows than columns begin with singular values 1: nothing to estimate.
SHAPE, CONDITION = (3, 2, 2, 4), 5


def example(name, seed=0, groups=2):
    """A built layer with random weights, its inputs, and what the oracle takes."""
    rng = np.random.default_rng(seed)
    arguments = {"groups": groups} if hasattr(en.get(name), "groups") else {}
    layer = ConditionalNormAct(en.norm_act_factory(name, **arguments))
    x = np.abs(rng.normal(size=SHAPE)) + 0.2  # Table 7's broken layers divide by -x else
    c = rng.normal(size=(SHAPE[0], CONDITION)) * 0.3
    x, c = x.astype(np.float32), c.astype(np.float32)
    layer([x, c])
    vectors = {}
    for weight in layer.weights:
        key = weight.name.split("/")[-1].split(":")[0]
        if key.startswith("v") and key[1:] in ("", "0", "1"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            vectors[key] = weight.numpy().astype(np.float64)
    for part in ("gamma", "beta"):
        kernel = getattr(layer, part).kernel.numpy().astype(np.float64)
        np.testing.assert_allclose(np.linalg.svd(kernel)[1], 1.0, rtol=1e-6)
        projected = c.astype(np.float64) @ kernel
        vectors[part] = projected[:, None, None, :] + (part == "gamma")
    return layer, x, c, vectors


@pytest.mark.parametrize("name", en.names())
def test_output_and_gradients_are_the_oracles(name):
    layer, x, c, vectors = example(name)
    upstream = np.random.default_rng(1).normal(size=SHAPE)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = layer([tensor, c], training=True)
        loss = tf.reduce_sum(y * upstream.astype(np.float32))
    weights = layer.trainable_variables
    gradients = tape.gradient(loss, [tensor, *weights])
    formula = oracle.LAYERS[name]
    expected = formula(oracle.Case(x.astype(np.float64), vectors, groups=2))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    exact = oracle.gradients(formula, x.astype(np.float64), vectors, upstream, groups=2)
    scale = np.abs(exact["x"]).max()
    np.testing.assert_allclose(gradients[0], exact["x"], rtol=1e-3, atol=3e-4 * max(scale, 1e-3))
    found = {
        weight.name.split("/")[-1]: g for weight, g in zip(weights, gradients[1:], strict=True)
    }
    for key in ("v:0", "v0:0", "v1:0"):
        if key in found:
            np.testing.assert_allclose(
                found[key], exact[key[:-2]].reshape(-1), rtol=1e-3, atol=1e-3
            )


def test_every_registered_layer_has_its_affine_where_its_formula_has_it():
    for name in en.names():
        layer_class = registry.layer_class(name)
        ends_with_affine = registry.graph(name) is not None
        applies_first = getattr(layer_class, "gamma_before_activation", False)
        assert applies_first != ends_with_affine, name


def test_the_layers_own_gamma_and_beta_are_not_trained():
    for name, trained in (("evonorm_s0", 3), ("bn_relu", 2), ("frn", 3), ("evonorm_s1", 2)):
        layer, *_ = example(name)
        assert len(layer.trainable_variables) == trained, name
        assert len(layer.weights) == len({id(w) for w in layer.weights})
        own = {id(layer.norm.gamma), id(layer.norm.beta)}
        assert own <= {id(w) for w in layer.non_trainable_variables}


@pytest.mark.parametrize("name", ["bn_relu", "evonorm_b0", "rs_rej"])
def test_inference_uses_the_moving_averages(name):
    layer, x, c, vectors = example(name)
    moving = {}
    for weight in layer.norm.non_trainable_weights:
        weight.assign(np.random.default_rng(2).uniform(0.5, 2.0, weight.shape))
        key = weight.name.split("/")[-1].split(":")[0]
        moving[key] = weight.numpy().astype(np.float64)
    expected = oracle.LAYERS[name](oracle.Case(x.astype(np.float64), vectors, moving=moving))
    assert moving
    np.testing.assert_allclose(layer([x, c], training=False), expected, rtol=1e-4, atol=1e-5)


def test_moving_averages_are_those_of_the_plain_layer():
    layer, x, c, _ = example("evonorm_b0")
    plain = en.get("evonorm_b0")
    for _ in range(3):
        layer([x, c], training=True)
        plain(x, training=True)
    np.testing.assert_allclose(layer.norm.moving_variance, plain.moving_variance, rtol=1e-6)
    assert np.ptp(plain.moving_variance.numpy()) > 0


def test_a_graph_and_a_callable_can_be_conditional():
    x, c = np.ones(SHAPE, np.float32), np.ones((SHAPE[0], CONDITION), np.float32)
    graph = ConditionalNormAct(en.norm_act_factory(registry.graph("evonorm_s1")))
    named = ConditionalNormAct(
        en.norm_act_factory(
            lambda nonlinearity, name: tf.keras.layers.LayerNormalization(name=name)
        )
    )
    assert graph([x, c]).shape == named([x, c]).shape == SHAPE
    assert len(named.trainable_variables) == 2


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (SpectralConv2D(6, 3), (2, 5, 5, 4)),
        (SpectralDense(7), (2, 9)),
        (SpectralDense(9), (2, 4)),
    ],
)
def test_the_kernel_is_divided_by_its_largest_singular_value(layer, shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    layer(x)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape) * 3.0)
    for _ in range(60):
        layer.normalized_kernel(training=True)
    kept = layer.u.numpy()
    normalized = layer.normalized_kernel(training=False).numpy()
    np.testing.assert_array_equal(layer.u, kept)
    matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1]).astype(np.float64)
    sigma = np.linalg.svd(matrix, compute_uv=False)[0]
    np.testing.assert_allclose(normalized, layer.kernel.numpy() / sigma, rtol=1e-5)
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    if isinstance(layer, SpectralDense):
        expected = x.astype(np.float64) @ (matrix / sigma) + layer.bias.numpy()
    else:
        plain = tf.keras.layers.Conv2D(6, 3, padding="same")
        plain.build(shape)
        plain.set_weights([layer.kernel.numpy() / sigma, layer.bias.numpy()])
        expected = plain(x)
    np.testing.assert_allclose(layer(x, training=False), expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_passes_through_the_singular_value():
    """d sigma / d W is the outer product of the singular vectors."""
    rng = np.random.default_rng(0)
    layer = SpectralDense(4, use_bias=False)
    layer(np.ones((1, 6), np.float32))
    matrix, upstream = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    layer.kernel.assign(matrix)
    for _ in range(60):
        layer.normalized_kernel(training=True)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer.normalized_kernel(False) * upstream.astype(np.float32))
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    slope = np.outer(left[:, 0], right[0])
    expected = upstream / values[0] - (upstream * matrix).sum() / values[0] ** 2 * slope
    np.testing.assert_allclose(tape.gradient(loss, layer.kernel), expected, rtol=1e-4, atol=1e-5)


def test_an_embedding_is_a_row_of_the_normalized_kernel():
    layer = SpectralEmbedding(5, 3)
    labels = np.array([4, 0, 4])
    rows = layer(labels).numpy()
    np.testing.assert_allclose(rows, layer.normalized_kernel(False).numpy()[labels])
    assert kernels(tf.keras.Sequential([layer]))[0] is layer.kernel


def test_hinge_losses_by_hand():
    real, fake = tf.constant([2.0, 0.5, -1.0]), tf.constant([-2.0, 0.25, 0.0])
    # (0 + 0.5 + 2) / 3 and (0 + 1.25 + 1) / 3
    assert losses.discriminator_loss(real, fake).numpy() == pytest.approx(2.5 / 3 + 2.25 / 3)
    assert losses.generator_loss(fake).numpy() == pytest.approx(1.75 / 3)


def test_the_orthogonal_penalty_is_its_formula():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(3, 3, 2, 4)), rng.normal(size=(5, 6))]
    expected = 0.0
    for array in arrays:
        matrix = array.reshape(-1, array.shape[-1])
        products = matrix.T @ matrix
        expected += ((products * (1 - np.eye(len(products)))) ** 2).sum()
    variables = [tf.Variable(array, dtype=tf.float32) for array in arrays]
    assert losses.orthogonal_penalty(variables, 1e-4).numpy() == pytest.approx(1e-4 * expected)
    orthogonal = [tf.Variable(np.eye(4, 3) * 2.0, dtype=tf.float32)]
    assert losses.orthogonal_penalty(orthogonal, 1.0).numpy() == 0.0
    assert losses.orthogonal_penalty(variables, 0.0).numpy() == 0.0
