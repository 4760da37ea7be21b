"""EvoNorm-B2 at means that are far larger than the deviations, against float64."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.xla_cpu import programs

SHAPE = (4, 8, 8, 16)


def outcome(layer, x, training):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        loss = tf.reduce_sum(y * tf.cast(_upstream(), y.dtype))
    gradient = tape.gradient(loss, x)
    # At negative means its two parts, of an element and through the moments, all but cancel.
    return [y, gradient] if x[0, 0, 0, 0] > 0 else [y]


def _upstream():
    return np.random.default_rng(1).normal(size=SHAPE)


@pytest.mark.one_environment
@pytest.mark.parametrize("in_programs", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mean", [1e3, 1e6, -1e3, -1e6])
def test_a_large_mean_costs_b2_no_digits(mean, training, in_programs, monkeypatch):
    monkeypatch.setattr(programs, "_LEAST_ELEMENTS", 0 if in_programs else 10**9)
    x = tf.constant(np.random.default_rng(0).normal(mean, 1.0, SHAPE), tf.float32)
    found = outcome(en.get("evonorm_b2"), x, training)
    expected = outcome(en.get("evonorm_b2", dtype="float64"), tf.cast(x, tf.float64), training)
    for a, b in zip(found, expected, strict=True):
        difference = np.abs(a - tf.cast(b, tf.float32)).max()
        assert difference <= 1e-5 * np.abs(b).max(), difference / np.abs(b).max()
