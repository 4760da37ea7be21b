"""Trainings in the search equal a plain Keras loop, and depend on the seed alone."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import registry
from search.evaluation.anchor_trainer import AnchorTrainer, learning_rates
from search.presets import preset
from trainers import data
from trainers.models.anchors import build_anchor

SETTINGS = dataclasses.replace(
    preset("demo").evaluation, steps=6, batch_size=16, weight_decay=0.01, learning_rate=0.05
)
ANCHOR = "mobilenet_v2_small"


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def trainer(digits):
    return AnchorTrainer(ANCHOR, digits, SETTINGS, seed=3)


def _plain_loop(graph, images, settings, seed):
    """The same training with new layers, Keras's optimizer and a Python loop."""
    tf.keras.utils.set_random_seed(seed)

    def layer(nonlinearity, name):
        return en.GraphLayer(graph, groups=settings.groups, nonlinearity=nonlinearity, name=name)

    model = build_anchor(ANCHOR, layer, images.num_classes)
    optimizer = tf.keras.optimizers.SGD(0.0, momentum=settings.momentum, nesterov=True)
    # Documented: shuffled epochs from a generator of the seed.
    rng = np.random.default_rng(seed)
    count = len(images.train)
    epochs = np.concatenate([rng.permutation(count) for _ in range(1)])
    for step in range(settings.steps):
        chosen = epochs[step * settings.batch_size : (step + 1) * settings.batch_size]
        x = (images.train.images[chosen].astype(np.float32) - images.mean) / images.stddev
        with tf.GradientTape() as tape:
            losses = tf.keras.losses.sparse_categorical_crossentropy(
                images.train.labels[chosen], model(x, training=True), from_logits=True
            )
            kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
            decay = sum(tf.reduce_sum(v**2) / 2 for v in kernels)
            loss = tf.reduce_mean(losses) + settings.weight_decay * decay
        variables = model.trainable_variables
        rate = settings.learning_rate
        if settings.schedule == "cosine":
            rate *= 0.5 * (1 + np.cos(np.pi * step / settings.steps))
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    x = (images.validation.images.astype(np.float32) - images.mean) / images.stddev
    predicted = model(x, training=False).numpy().argmax(-1)
    return model, (predicted == images.validation.labels).mean()


@pytest.mark.slow
def test_equals_a_plain_keras_training(trainer, digits):
    graph = registry.graph("evonorm_b0")
    trainer.start(graph)
    assert trainer.train(0, SETTINGS.steps)
    model, accuracy = _plain_loop(graph, digits, SETTINGS, seed=3)
    assert trainer.accuracy(digits.validation) == pytest.approx(accuracy, abs=1 / 360)
    expected = {v.name: v.numpy() for v in model.trainable_variables}
    got = {v.name: v.numpy() for v in trainer.model.trainable_variables if v.name in expected}
    assert set(got) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=2e-3, atol=2e-4, err_msg=name)


@pytest.mark.slow
def test_a_training_does_not_depend_on_those_before(trainer, digits):
    runs = []
    for name in ("evonorm_s0", "evonorm_b0", "evonorm_s0"):
        trainer.start(registry.graph(name))
        trainer.train(0, 3)
        runs.append((trainer.accuracy(digits.validation), trainer.model.get_weights()))
    (first, weights), _, (again, same) = runs
    assert first == again
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))


@pytest.mark.slow
def test_a_training_in_two_parts_is_the_whole_training(trainer):
    ends = []
    for cuts in ((0, 6), (0, 2, 6)):
        trainer.start(registry.graph("evonorm_s0"))
        for first, last in itertools.pairwise(cuts):
            trainer.train(first, last)
        ends.append(trainer.model.get_weights())
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_stability_test_leaves_the_training_as_it_is(trainer):
    trainer.start(registry.graph("evonorm_b0"))
    trainer.train(0, 3)
    before = trainer.model.get_weights()
    norm, steps = trainer.largest_gradient()
    assert norm > 0 and steps == SETTINGS.stability_steps
    for one, other in zip(before, trainer.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_network_is_traced_once_for_all_candidates_and_steps(digits):
    trainer = AnchorTrainer(ANCHOR, digits, SETTINGS, seed=0)
    for name, last in (("evonorm_s0", 2), ("evonorm_b0", 3), ("rs_rej", 1)):
        trainer.start(registry.graph(name))
        trainer.train(0, last)
        trainer.largest_gradient()
        trainer.accuracy(digits.validation)
        trainer.accuracy(digits.test)
    functions = trainer._run_steps, trainer._count_correct, trainer._ascend
    assert [function.experimental_get_tracing_count() for function in functions] == [1, 1, 1]


def test_a_loss_that_is_not_finite_ends_the_training(trainer, digits):
    exp = en.LayerGraph((en.Node("EXP", (0,)), en.Node("EXP", (4,)), en.Node("EXP", (5,))))
    trainer.start(exp)
    assert not trainer.train(0, SETTINGS.steps)
    assert trainer.accuracy(digits.validation) == 0.0


def test_the_cosine_and_the_constant_schedule():
    constant = learning_rates(dataclasses.replace(SETTINGS, schedule="constant"))
    np.testing.assert_allclose(constant, 0.05)
    cosine = learning_rates(dataclasses.replace(SETTINGS, schedule="cosine", steps=4))
    np.testing.assert_allclose(
        cosine, 0.05 * np.array([1, (1 + np.sqrt(0.5)) / 2, 0.5, (1 - np.sqrt(0.5)) / 2]), rtol=1e-6
    )


def test_the_warm_up_is_a_factor_that_grows_to_one():
    plain = learning_rates(dataclasses.replace(SETTINGS, steps=6))
    warm = learning_rates(dataclasses.replace(SETTINGS, steps=6, warmup_steps=4))
    np.testing.assert_allclose(warm / plain, [0.25, 0.5, 0.75, 1, 1, 1], rtol=1e-6)


def test_crops_are_parts_of_their_images():
    settings = dataclasses.replace(SETTINGS, crop=6)
    images = data.load("digits")
    trainer = AnchorTrainer(ANCHOR, images, settings, seed=0)
    chosen, rows, columns = (draw[0] for draw in trainer.batches)
    x = trainer.prepared(tf.gather(images.train.images, chosen), rows, columns).numpy()
    assert x.shape == (16, 6, 6, 1)
    corners = set()
    for crop, index, row, column in zip(x, chosen, rows[:, 0], columns[:, 0], strict=True):
        whole = (images.train.images[index] - images.mean) / images.stddev
        np.testing.assert_allclose(
            crop, whole[row : row + 6, column : column + 6], rtol=1e-5, atol=1e-5
        )
        corners.add((int(row), int(column)))
    assert len(corners) > 4
    assert {0, 1, 2} == {corner for pair in corners for corner in pair}
