"""Gradient ascent on the gradient's norm, against the same worked by hand."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from evonorm_tf import registry
from search.config import Evaluation
from search.evaluation.anchor_trainer import AnchorTrainer
from search.evaluation.stability import ascent_function
from search.presets import preset
from trainers import data

SETTINGS = Evaluation(stability_steps=3, stability_rate=0.01)
NO_BATCH = tf.zeros([]), tf.zeros([])


def gradient_ascent(loss, theta, settings):
    """The largest norm and the number of steps."""
    norms, largest = ascent_function(lambda *_: loss(), [theta], settings)(*NO_BATCH)
    return float(largest), int(norms) - 1


def test_equals_the_ascent_by_hand():
    start = np.array([0.5, -1.0, 2.0], np.float32)
    theta = tf.Variable(start)
    # loss = sum(theta^4) / 4: the gradient is theta^3, and the gradient of its norm
    # 3 theta^5 / ||theta^3||.
    norm, steps = gradient_ascent(lambda: tf.reduce_sum(theta**4) / 4, theta, SETTINGS)
    expected, norms = start.copy(), []
    for _ in range(SETTINGS.stability_steps + 1):
        norms.append(np.linalg.norm(expected**3))
        expected += SETTINGS.stability_rate * 3 * expected**5 / norms[-1]
    assert norm == pytest.approx(max(norms), rel=1e-5)
    assert steps == SETTINGS.stability_steps
    np.testing.assert_allclose(theta, expected, rtol=1e-5)


def test_ends_as_soon_as_the_norm_is_too_large():
    theta = tf.Variable([2.0])
    settings = dataclasses.replace(SETTINGS, stability_steps=100, stability_rate=1.0)
    norm, steps = gradient_ascent(lambda: tf.reduce_sum(theta**4), theta, settings)
    assert norm > settings.stability_limit
    assert steps < 10


def test_a_norm_that_is_not_finite_counts_as_infinite():
    theta = tf.Variable([0.0])
    norm, steps = gradient_ascent(lambda: tf.reduce_sum(tf.sqrt(theta)), theta, SETTINGS)
    assert (norm, steps) == (np.inf, 0)


def test_an_embedding_that_is_looked_up_twice():
    start, counts = np.array([[0.5], [3.0], [2.0]], np.float32), np.array([[2.0], [0.0], [1.0]])
    theta = tf.Variable(start)
    norm, _ = gradient_ascent(
        lambda: tf.reduce_sum(tf.gather(theta, [0, 0, 2]) ** 4) / 4,
        theta,
        dataclasses.replace(SETTINGS, stability_steps=1),
    )
    expected, norms = start.astype(np.float64), []
    for _ in range(2):
        norms.append(np.linalg.norm(counts * expected**3))
        expected += SETTINGS.stability_rate * 3 * counts**2 * expected**5 / norms[-1]
    assert norm == pytest.approx(max(norms), rel=1e-5)
    np.testing.assert_allclose(theta, expected, rtol=1e-5)


@pytest.mark.slow
def test_the_paper_s_good_layers_pass_and_a_broken_one_does_not():
    settings = preset("demo").evaluation
    trainer = AnchorTrainer(settings.anchors[0], data.load("digits"), settings, seed=0)
    norms = {}
    for name in ("evonorm_b0", "evonorm_s0", "b0_no_global"):
        trainer.start(registry.graph(name))
        norms[name], _ = trainer.largest_gradient()
    # Table 7: without the batch term B0 is not trainable.
    assert norms.pop("b0_no_global") > settings.stability_limit
    assert max(norms.values()) < settings.stability_limit
