"""The parts of a calibration: the fit of one layer, ridge regression, distillation."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.convert.calibration import layer_fit, ridge
from evonorm_tf.convert.calibration.moments import Moments, share_kept

SHAPE = (32, 6, 6, 8)
GOOD = [name for name in en.names() if name not in ("b0_no_global", "b0_max_to_add", "random")]


def batches(seed=0, count=4, shape=SHAPE):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(0.3, 1, shape), tf.float32) for _ in range(count)]


@pytest.mark.parametrize("name", GOOD)
def test_a_layer_is_found_again(name):
    """The target is the same layer with other vectors."""
    x, rng = batches(), np.random.default_rng(1)
    teacher, student = (en.get(name, groups=4) if has_groups(name) else en.get(name) for _ in "ab")
    for layer in (teacher, student):
        layer(x[0])
    layer_fit.set_moving_averages(teacher, x)
    for attribute in ("gamma", "v", "v0", "v1"):
        vector = getattr(teacher, attribute, None)
        if vector is not None:
            vector.assign(rng.uniform(0.7, 1.6, vector.shape).astype("float32"))
    target = [teacher(batch) for batch in x]
    layer_fit.fit(student, x, target)
    assert share_kept([student(batch) for batch in x], target, -1) > 0.98


def has_groups(name):
    return hasattr(en.get(name), "groups")


@pytest.mark.parametrize("name", ["evonorm_s0", "gn_relu"])
def test_steps_that_make_it_worse_are_undone(name, monkeypatch):
    x = batches()
    target = [tf.nn.relu(batch) for batch in x]

    def kept(**constants):
        for constant, value in constants.items():
            monkeypatch.setattr(layer_fit, constant, value)
        layer = en.get(name, groups=4)
        layer(x[0])
        layer_fit.fit(layer, x, target)
        return share_kept([layer(batch) for batch in x], target, -1)

    assert kept(_RATE=1e4) == pytest.approx(kept(_STEPS=0), abs=1e-5)


def test_moving_averages_are_the_mean_over_the_batches():
    x, layer = batches(), en.EvoNormB0()
    layer(x[0])
    layer_fit.set_moving_averages(layer, x)
    expected = np.mean([batch.numpy().astype("float64").var((0, 1, 2)) for batch in x], 0)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)
    assert layer.momentum == 0.9 and layer.trainable


def test_moments_are_those_of_numpy():
    y, target = batches(0), batches(1)
    a, b = (np.concatenate([each.numpy() for each in part]).reshape(-1, 8) for part in (y, target))
    found = Moments(y, target, -1)
    np.testing.assert_allclose(found.mean, a.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.target_variance, b.var(0), rtol=1e-5)
    expected = [np.corrcoef(a[:, c], b[:, c])[0, 1] ** 2 for c in range(8)]
    np.testing.assert_allclose(found.correlation, expected, atol=1e-5)
    assert share_kept(target, target, -1) == pytest.approx(1)
    mean = [tf.zeros_like(each) + b.mean(0) for each in target]
    assert share_kept(mean, target, -1) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"strides": 2, "padding": "same"},
        {"dilation_rate": 2, "padding": "valid"},
        {"padding": "same", "use_bias": False},
        {"kernel_size": (1, 2)},
    ],
)
def test_ridge_finds_a_kernel_again(settings):
    arguments = {"filters": 5, "kernel_size": 3, **settings}
    teacher, student = (tf.keras.layers.Conv2D(**arguments) for _ in "ab")
    x = batches(shape=(64, 9, 9, 3))
    for layer in (teacher, student):
        layer(x[0])
    assert ridge.can_refit(student)
    ridge.refit(student, x, [teacher(batch) for batch in x])
    for found, wanted in zip(student.get_weights(), teacher.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_ridge_finds_a_dense_layer_again():
    teacher, student = (tf.keras.layers.Dense(4, bias_initializer="ones") for _ in "ab")
    x = [batch + 2.0 for batch in batches(shape=(300, 7))]
    for layer in (teacher, student):
        layer(x[0])
    ridge.refit(student, x, [teacher(batch) for batch in x])
    np.testing.assert_allclose(student.kernel, teacher.kernel, atol=2e-3)


def test_ridge_leaves_a_layer_that_no_change_makes_better():
    layer = tf.keras.layers.Conv2D(3, 3)
    x = batches(count=2, shape=(8, 4, 4, 20))
    layer(x[0])
    noise = [tf.random.stateless_normal(layer(batch).shape, [1, 2]) for batch in x]
    before = layer.get_weights()
    ridge.refit(layer, x, [layer(batch) + each for batch, each in zip(x, noise, strict=True)])
    error = np.mean(
        [
            np.square(layer(b) - tf.nn.conv2d(b, before[0], 1, "VALID") - before[1]).mean()
            for b in batches(5, shape=(8, 4, 4, 20))
        ]
    )
    assert error < 0.5


@pytest.mark.parametrize(
    "layer",
    [
        tf.keras.layers.Conv2D(4, 3, groups=2),
        tf.keras.layers.Conv2D(4, 3, activation="relu"),
        tf.keras.layers.DepthwiseConv2D(3),
        tf.keras.layers.SeparableConv2D(4, 3),
        tf.keras.layers.Conv2DTranspose(4, 3),
        tf.keras.layers.ReLU(),
    ],
)
def test_other_layers_are_not_refitted(layer):
    layer(tf.zeros([1, 8, 8, 4]))
    assert not ridge.can_refit(layer)
