"""The layers of EvoNorm-B at means that are far larger than the deviations, against float64."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.xla_cpu import programs

SHAPE = (4, 8, 8, 16)


def outcome(name, x, training):
    """The output, and the gradients for x and for the weights."""
    layer = en.get(name, dtype=x.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        loss = tf.reduce_sum(y * tf.cast(_upstream(), y.dtype))
    gradients = tape.gradient(loss, [x, *layer.trainable_weights])
    return [y, *gradients]


def _upstream():
    return np.random.default_rng(1).normal(size=SHAPE)


@pytest.mark.one_environment
@pytest.mark.parametrize("in_programs", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mean", [1e3, 1e6, -1e3, -1e6])
@pytest.mark.parametrize("name", ["evonorm_b0", "evonorm_b1", "evonorm_b2"])
def test_a_large_mean_costs_no_digits(name, mean, training, in_programs, monkeypatch):
    monkeypatch.setattr(programs, "_LEAST_ELEMENTS", 0 if in_programs else 10**9)
    x = tf.constant(np.random.default_rng(0).normal(mean, 1.0, SHAPE), tf.float32)
    actual = outcome(name, x, training)
    expected = outcome(name, tf.cast(x, tf.float64), training)
    if name == "evonorm_b2" and mean < 0:
        # The two parts of x's gradient, of an element and through the moments, all but cancel.
        del actual[1], expected[1]
    for a, b in zip(actual, expected, strict=True):
        difference = np.abs(a - tf.cast(b, tf.float32)).max()
        assert difference <= 1e-5 * np.abs(b).max(), difference / np.abs(b).max()
