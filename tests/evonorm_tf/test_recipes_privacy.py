"""Differential privacy, in docs/recipes.md: gradients of single examples."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.xla_cpu import use_xla_programs
from tests.evonorm_tf.recipes import (
    BOTH,
    COUNT,
    LABELS,
    OF_ONE_EXAMPLE,
    classifier,
    difference,
    gradients,
    images,
    losses,
    variables,
)

pytestmark = pytest.mark.one_environment

layers = tf.keras.layers


def gradients_of_examples(model, x, y):
    """Each example's gradient within one batch."""
    with tf.GradientTape(persistent=True) as tape:
        loss = losses(model, x, y)
    return tape.jacobian(loss, variables(model), experimental_use_pfor=False)


def vectorized(model, training, **settings):
    """Each example's gradient as a batch of its own, by tf.vectorized_map."""

    def gradient(example):
        image, label = example
        return gradients(model, image[None], label[None], training)

    return tf.function(lambda x, y: tf.vectorized_map(gradient, (x, y), **settings))


def with_another(x, index=2):
    changed = x.copy()
    changed[index] = images(1, seed=9) * 30
    return changed, [i for i in range(len(x)) if i != index]


@pytest.mark.parametrize("name", BOTH)
def test_an_examples_gradient_depends_on_other_examples_with_batch_statistics_alone(name):
    model, x = classifier(name), images()
    changed, others = with_another(x)
    before, after = (gradients_of_examples(model, each, LABELS) for each in (x, changed))
    for index in others:
        found = difference([g[index] for g in after], [g[index] for g in before])
        assert found == 0 if name in OF_ONE_EXAMPLE else found > 0.1
    assert difference([g[2] for g in after], [g[2] for g in before]) > 0.1


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
def test_vectorized_map_needs_no_fallback(name):
    model, x = classifier(name), images()
    found = vectorized(model, True, fallback_to_while_loop=False)(x, LABELS)
    assert difference(found, gradients_of_examples(model, x, LABELS)) < 1e-5
    specs = [tf.TensorSpec(variable.shape, tf.float32) for variable in variables(model)]
    loop = tf.map_fn(
        lambda example: gradients(model, example[0][None], example[1][None]),
        (x, LABELS),
        fn_output_signature=specs,
    )
    assert difference(loop, found) < 1e-5


def test_vectorized_map_falls_back_in_programs_of_large_maps(all_sizes_in_programs):
    """XLA's programs have operations that it cannot vectorize; inference has no programs."""
    pooling = layers.GlobalAveragePooling2D()
    model = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), en.EvoNormS0(), pooling])
    x = images()
    with pytest.raises(ValueError, match="No pfor vectorization defined"):
        vectorized(model, True, fallback_to_while_loop=False)(x, LABELS)
    slow = vectorized(model, True)(x, LABELS)
    fast = vectorized(model, False, fallback_to_while_loop=False)(x, LABELS)
    assert difference(slow, fast) < 1e-5


def test_which_maps_are_large():
    assert use_xla_programs(tf.zeros((1, 64, 64, 32)), -1, True)
    assert not use_xla_programs(tf.zeros((1, 64, 64, 31)), -1, True)
    assert not use_xla_programs(tf.zeros((1, 64, 64, 32)), -1, False)


def clipped_sum(each, norm):
    examples = zip(*(tf.unstack(gradient) for gradient in each), strict=True)
    clipped = [tf.clip_by_global_norm(example, norm)[0] for example in examples]
    return [tf.add_n(parts) for parts in zip(*clipped, strict=True)]


@pytest.mark.parametrize("name", BOTH)
def test_one_example_changes_the_clipped_sum_by_two_norms_at_most(name):
    model, x = classifier(name), images()
    changed, _ = with_another(x)
    sums = [clipped_sum(gradients_of_examples(model, each, LABELS), 0.01) for each in (x, changed)]
    distance = tf.linalg.global_norm([a - b for a, b in zip(*sums, strict=True)]).numpy()
    if name in OF_ONE_EXAMPLE:
        assert distance <= 0.02 * (1 + 1e-5)
    else:
        assert distance > 0.022


def test_a_private_step():
    """Without noise, and with a norm that no gradient has, it is the step of the batch."""
    model, x = classifier("evonorm_s0"), images()
    step_of = private_gradients(model)
    plain = step_of(x, LABELS, 1e6, 0.0)
    assert difference(plain, gradients(model, x, LABELS)) < 1e-5
    clipped = step_of(x, LABELS, 0.01, 0.0)
    expected = clipped_sum(gradients_of_examples(model, x, LABELS), 0.01)
    assert difference(clipped, [each / COUNT for each in expected]) < 1e-5
    noisy = step_of(x, LABELS, 0.01, 1.0)
    noise = np.concatenate([np.ravel((a - b) * COUNT) for a, b in zip(noisy, clipped, strict=True)])
    assert np.std(noise) == pytest.approx(0.01, rel=0.1)  # of 800 values or more


def private_gradients(model):
    def clipped(example, norm):
        image, label = example
        gradient = gradients(model, image[None], label[None], training=False)
        length = tf.norm([tf.norm(each) for each in gradient])
        return tf.clip_by_global_norm(gradient, norm, use_norm=length)[0]

    @tf.function
    def step_gradients(x, y, norm, multiplier):
        each = tf.vectorized_map(
            lambda example: clipped(example, norm), (x, y), fallback_to_while_loop=False
        )
        sums = [tf.reduce_sum(gradient, 0) for gradient in each]
        noise = [tf.random.normal(s.shape, stddev=multiplier * norm) for s in sums]
        return [(s + n) / len(x) for s, n in zip(sums, noise, strict=True)]

    return step_gradients


@pytest.mark.parametrize("layer", [en.EvoNormB0, en.BatchNormReLU])
def test_vectorized_map_makes_each_example_a_batch(layer):
    """A layer normalizes each image alone then, and its moving averages follow one of them."""
    layer, x = layer(momentum=0.0), images()
    y = tf.vectorized_map(lambda image: layer(image[None], training=True), tf.constant(x))
    followed = layer.moving_variance.numpy()
    alone = np.var(x, axis=(1, 2))
    assert np.isclose(alone, followed, rtol=1e-4).all(axis=1).sum() == 1
    batch = layer(x, training=True).numpy()
    np.testing.assert_allclose(layer.moving_variance.numpy(), np.var(x, (0, 1, 2)), rtol=1e-4)
    assert difference([y[:, 0]], [batch]) > 0.1
