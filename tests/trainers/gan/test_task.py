"""Steps, averaged weights, wrong values and NaN of the GAN task."""

import numpy as np
import pytest
import tensorflow as tf
from official.core import task_factory

from tests.trainers import processes
from tests.trainers.gan import tiny
from trainers import train
from trainers.data import loading
from trainers.engine import parameters
from trainers.errors import TrainersError, TrainingDivergedError
from trainers.experiments import biggan
from trainers.gan import data


def built(params):
    task = task_factory.get_task(params.task)
    model = task.build_model()
    return task, model, task.create_optimizer(params.trainer.optimizer_config)


def batch_of(task, params, first_step=0):
    return next(iter(task.build_inputs(params.task.train_data, first_step=first_step)))


def values(variables):
    return [variable.numpy() for variable in variables]


def changed(before, variables):
    return [not np.array_equal(a, b) for a, b in zip(before, values(variables), strict=True)]


@pytest.fixture(scope="module")
def stepped():
    """Three steps of a model: task, model, what was before the last, and its logs."""
    params = tiny.config("evonorm_b0")
    params.task.average_start, params.task.average_decay = 2, 0.7
    task, model, optimizer = built(params)
    seen = []
    for number in range(3):
        before = {
            name: values(getattr(model, name).trainable_variables)
            for name in ("generator", "discriminator", "averaged")
        }
        logs = task.train_step(batch_of(task, params, number), model, optimizer)
        seen.append((before, logs, values(model.generator.trainable_variables)))
    return task, model, seen


def test_a_step_moves_both_networks(stepped):
    _, model, seen = stepped
    before, logs, _ = seen[-1]
    assert bool(logs["finite"]) and np.isfinite(logs["loss"])
    # The attention's gamma, from which the rest of it learns, has moved by now.
    for name in ("generator", "discriminator"):
        assert all(changed(before[name], getattr(model, name).trainable_variables)), name


def test_the_average_starts_late_and_is_exponential(stepped):
    _, model, seen = stepped
    early, weights = seen[2][0]["averaged"], seen[1][2]
    for average, weight in zip(early, weights, strict=True):
        np.testing.assert_array_equal(average, weight)  # up to step 2 the weights themselves
    now = zip(early, seen[2][2], values(model.averaged.trainable_variables), strict=True)
    for average, weight, found in now:
        np.testing.assert_allclose(found, 0.7 * average + 0.3 * weight, rtol=1e-5, atol=1e-7)
    others = zip(
        model.averaged.non_trainable_weights, model.generator.non_trainable_weights, strict=True
    )
    for average, weight in others:
        np.testing.assert_array_equal(average, weight)


@pytest.mark.slow
def test_the_first_step_is_adam_on_the_hinge_loss():
    """Beginning from zero, Adam without momentum moves each weight by rate * sign."""
    params = tiny.config()
    params.task.orthogonal = 0.0
    task, model, optimizer = built(params)
    batch = batch_of(task, params)
    images, labels, noise, drawn = (part[:8] for part in batch)
    network = model.discriminator
    before = values(network.trainable_variables)
    vectors = [
        (v, v.numpy()) for m in (network, model.generator) for v in m.non_trainable_variables
    ]
    fake = model.generator([noise, drawn], training=True)
    with tf.GradientTape() as tape:
        real_logits, fake_logits = tf.split(
            network([tf.concat([images, fake], 0), tf.concat([labels, drawn], 0)], training=True), 2
        )
        loss = tf.reduce_mean(tf.nn.relu(1 - real_logits) + tf.nn.relu(1 + fake_logits))
    gradients = tape.gradient(loss, network.trainable_variables)
    for variable, value in vectors:
        variable.assign(value)
    task.train_step(batch, model, optimizer)
    rate = params.task.discriminator_optimizer.learning_rate.constant.learning_rate
    moved = zip(before, gradients, values(network.trainable_variables), strict=True)
    for old, gradient, new in moved:
        clear = np.abs(gradient) > 1e-5
        np.testing.assert_allclose((new - old)[clear], -rate * np.sign(gradient)[clear], rtol=0.02)


@pytest.mark.slow
def test_a_step_that_is_not_finite_changes_no_trained_weight():
    params = tiny.config()
    task, model, optimizer = built(params)
    images, *others = batch_of(task, params)
    before = values(model.trainable_variables)
    logs = task.train_step((images * np.nan, *others), model, optimizer)
    assert not bool(logs["finite"])
    # The generator's own step sees no real image, and the discriminator is unharmed.
    count = len(model.generator.trainable_variables)
    assert not any(changed(before, model.trainable_variables)[count:])
    assert all(np.isfinite(value).all() for value in values(model.weights))


def test_training_input_is_a_function_of_seed_and_step():
    params = tiny.config()
    params.task.discriminator_steps = 3
    task = task_factory.get_task(params.task)
    iterator = iter(task.build_inputs(params.task.train_data))
    first, second = next(iterator), next(iterator)
    images, labels, noise, drawn = first
    assert images.shape == (24, 8, 8, 1) and labels.shape == (24,)
    assert noise.shape == (32, 4) and drawn.shape == (32,)
    assert set(drawn.numpy()) <= set(range(10))
    for found, expected in zip(batch_of(task, params, 1), second, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.allclose(noise, second[2])


def test_images_are_enlarged_and_scaled():
    split = loading.load("digits").train
    model = biggan.digits("frn").task.model
    found = data.scaled(split.images[:3], model).numpy()
    expected = tf.image.resize(split.images[:3], (16, 16)).numpy() / 127.5 - 1
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.nightly
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    killed, whole, steps = str(tmp_path / "killed"), str(tmp_path / "whole"), 16

    def command(folder):
        settings = {"trainer.train_steps": steps, "trainer.validation_interval": 1000}
        return processes.command("tests.trainers.gan.tiny", "tiny_gan", folder, **settings)

    stopped_at = processes.killed_at(command(killed), killed, 3)
    assert processes.step_of(stopped_at) < steps
    assert f"restored from checkpoint: {stopped_at}" in processes.finished(command(killed))
    processes.finished(command(whole))
    processes.assert_same_model(killed, whole)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("task.model.norm_act", "batchnorm", r"norm_act.*norm_act='batchnorm'"),
        ("task.model.input_size", [20, 20, 1], r"one of 8, 16.*resolution=20"),
        ("task.model.input_size", [16, 8, 1], r"side, side, channels.*\[16, 8, 1\]"),
        ("task.model.upsampling", 2, r"`task.features` 'digits'.*upsampling=2"),
        ("task.features", "vgg", r"`task.features` must be one of.*features='vgg'"),
        ("task.samples", 1, r"`task.samples` must be at least 2.*samples=1"),
        ("task.init_checkpoint", "x", r"task.init_checkpoint.*not read"),
        ("runtime.mixed_precision_dtype", "bfloat16", r"mixed_precision_dtype.*not read"),
    ],
)
def test_wrong_values_are_errors(path, value, message):
    params = tiny.config()
    first, _, last = path.rpartition(".")
    place = params
    for name in first.split("."):
        place = getattr(place, name)
    setattr(place, last, value)
    with pytest.raises(TrainersError, match=message):
        parameters.check(params)


def test_data_that_does_not_fit_and_missing_weights_are_errors():
    params = tiny.config()
    params.task.model.num_classes = 7
    with pytest.raises(TrainersError, match=r"num_classes` must be 10.*num_classes=7"):
        parameters.check_data(params, "train", 1)
    params = tiny.config()
    params.task.features = "inception"
    parameters.check_data(params, "train", 1)
    with pytest.raises(TrainersError, match=r"`task.feature_weights` must be the file"):
        parameters.check_data(params, "train_and_eval", 1)


@pytest.mark.nightly
def test_divergence_names_step_and_layer(tmp_path):
    params = tiny.config("pixelnorm_relu")
    params.task.discriminator_optimizer.learning_rate.constant.learning_rate = 1e38
    with pytest.raises(TrainingDivergedError, match=r"not finite at step \d.*Last good") as caught:
        train.run(params, "train", str(tmp_path))
    _, model, _ = built(params)
    networks = (model.generator, model.discriminator)
    names = {layer.name for network in networks for layer in (network, *network.layers)}
    assert caught.value.layer in names
