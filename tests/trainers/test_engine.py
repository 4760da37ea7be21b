"""Weight decay, steps, evaluation, NaN and checkpoints of the engine."""

import math
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from absl import logging

import evonorm_tf as en
from tests.trainers import tiny
from tests.trainers.official import needs_official
from tests.trainers.short import restored
from trainers import keras_choice, train
from trainers.classification import weight_decay
from trainers.classification.config import ExperimentConfig
from trainers.classification.task import ClassificationTask
from trainers.data import digits
from trainers.engine import kinds, parameters, restoring
from trainers.engine.runner import SharedCheckpointManager
from trainers.errors import TrainersError, TrainingDivergedError
from trainers.platform import configs, optimizers


def sgd(rate):
    """The engine's plain SGD."""
    return ClassificationTask.create_optimizer(
        configs.OptimizationConfig(
            {
                "optimizer": {"type": "sgd"},
                "learning_rate": {"type": "constant", "constant": {"learning_rate": rate}},
            }
        )
    )


def test_decay_skips_the_layers_own_variables_by_identity():
    misleading = tf.keras.Sequential(
        [
            tf.keras.layers.Conv2D(4, 1, name="evonorm_batch_normalization"),
            en.EvoNormS0(name="conv2d_kernel"),
            tf.keras.layers.Dense(2, name="gamma"),
        ]
    )
    misleading.build((None, 2, 2, 3))
    conv, norm, dense = misleading.layers
    found = {id(v) for v in weight_decay.decayed_variables(misleading)}
    assert found == {id(v) for v in (*conv.trainable_variables, *dense.trainable_variables)}
    assert not found & {id(v) for v in norm.variables}
    expected = sum((v.numpy().astype(np.float64) ** 2).sum() for v in (conv.kernel, dense.kernel))
    value = weight_decay.penalty(weight_decay.decayed_variables(misleading), 0.3)
    np.testing.assert_allclose(value, 0.3 * expected / 2, rtol=1e-6)


def test_no_decay_is_zero():
    assert weight_decay.penalty([tf.Variable([3.0])], 0.0).numpy() == 0.0
    assert weight_decay.penalty([], 0.1).numpy() == 0.0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_step_is_sgd_on_cross_entropy_and_decay(smoothing):
    params = tiny.config("bn_relu")
    params.task.losses.label_smoothing = smoothing
    params.task.losses.weight_decay = 0.01
    task = ClassificationTask(params.task)
    model = task.build_model()
    images, labels = digits.load().train.images[:8], digits.load().train.labels[:8]
    logits = task.logits(images, model, training=True).numpy().astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    log_shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    targets = np.eye(10)[labels] * (1 - smoothing) + smoothing / 10
    decayed = [v.numpy().astype(np.float64) for v in weight_decay.decayed_variables(model)]
    expected = -(targets * log_shares).sum(-1).mean()
    expected += 0.01 * sum((v**2).sum() for v in decayed) / 2

    before = model.get_weights()
    logs = task.train_step((images, labels, np.ones(8)), model, sgd(0.1))
    np.testing.assert_allclose(logs[task.loss], expected, rtol=1e-5)
    assert bool(logs["finite"])
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_step_that_is_not_finite_changes_no_trainable_weight():
    params = tiny.config()
    task = ClassificationTask(params.task)
    model = task.build_model()
    images = np.full((8, 8, 8, 1), np.nan, np.float32)
    before = [v.numpy() for v in model.trainable_variables]
    logs = task.train_step((images, np.zeros(8, np.int32), np.ones(8)), model, sgd(0.1))
    assert not bool(logs["finite"])
    for old, variable in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(variable, old)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model folder after four steps, and the metrics of its evaluation."""
    folder = str(tmp_path_factory.mktemp("trained"))
    params = tiny.config("evonorm_b0")
    params.task.validation_data.global_batch_size = 128  # 360 images: 104 in the last batch
    return folder, params, train.run(params, "train_and_eval", folder)


def test_evaluation_counts_every_image_once(trained):
    folder, params, metrics = trained
    split = digits.load().validation
    task, model = restored(folder, params)
    logits = task.logits(split.images, model, training=False).numpy().astype(np.float64)
    right = logits.argmax(-1) == split.labels
    top = np.argsort(-logits, -1)[:, :5]
    losses = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(split)), split.labels]
    assert metrics["images"] == len(split) == 360
    assert metrics["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    in_top = (top == split.labels[:, None]).any(-1).mean()
    assert metrics["top_5_accuracy"] == pytest.approx(in_top, abs=1e-6)
    assert metrics["validation_loss"] == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.slow
def test_continuous_evaluation_ends_with_the_last_checkpoint(trained):
    folder, params, metrics = trained
    waiting = params.replace(trainer={"continuous_eval_timeout": 1})
    assert train.run(waiting, "continuous_eval", folder) == metrics


def test_a_training_that_goes_on_equals_one_that_never_stopped(trained, tmp_path):
    folder, params, metrics = trained
    params.lock()  # as the command does
    halved = tiny.config("evonorm_b0", train_steps=2)
    halved.task.validation_data.global_batch_size = 128
    train.run(halved, "train", str(tmp_path))
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-2")
    resumed = train.run(params, "train_and_eval", str(tmp_path))
    assert resumed == metrics
    _, straight = restored(folder, params)
    _, stopped = restored(str(tmp_path), params)
    for a, b in zip(straight.get_weights(), stopped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_finished_training_says_so(trained, capsys):
    folder, params, _ = trained
    assert train.run(params, "train_and_eval", folder) == {}
    assert f"{folder}: trained already, 4 of 4 steps; --mode=eval" in capsys.readouterr().out


def test_what_orbit_prints_is_not_logged_too(monkeypatch):
    orbit = pytest.importorskip("orbit", reason="tf-models-official")
    handler = logging.get_absl_handler()
    monkeypatch.setattr(handler, "filters", [])
    with np.printoptions():
        train.tidy_output()
        assert repr({"loss": np.float32(0.5)}) == "{'loss': 0.5}"

    def logged(path, level):
        record = logging.get_absl_logger().makeRecord("absl", level, path, 1, "text", (), None)
        return bool(handler.filter(record))

    info, warning = (logging.converter.absl_to_standard(x) for x in (0, -1))
    assert not logged(orbit.controller.__file__, info)
    assert logged(orbit.controller.__file__, warning) and logged(train.__file__, info)


def test_a_damaged_checkpoint_is_passed_over(trained, tmp_path):
    folder, params, _ = trained
    copy = tmp_path / "copy"
    tf.io.gfile.makedirs(str(copy))
    for name in tf.io.gfile.listdir(folder):
        if not tf.io.gfile.isdir(f"{folder}/{name}"):
            tf.io.gfile.copy(f"{folder}/{name}", str(copy / name))
    data = copy / "ckpt-4.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    step, model = tf.Variable(0, dtype=tf.int64), ClassificationTask(params.task).build_model()
    manager = SharedCheckpointManager(
        tf.train.Checkpoint(global_step=step, model=model), str(copy), max_to_keep=3
    )
    manager.shared_directory = str(copy)
    assert manager.restore_or_initialize().endswith("ckpt-3")
    assert step.numpy() == 3


def test_another_model_in_the_folder_is_an_error(trained):
    folder, _, _ = trained
    with pytest.raises(TrainersError, match=r"model_dir.*norm_act='evonorm_b0'"):
        train.run(tiny.config("frn"), "eval", folder)


def test_a_folder_without_a_kind_is_of_classification(trained, tmp_path):
    folder, params, _ = trained
    text = pathlib.Path(folder, "params.yaml").read_text(encoding="utf-8")
    assert "kind: classification\n" in text
    old = tmp_path / "params.yaml"
    old.write_text(text.replace("kind: classification\n", ""), encoding="utf-8")
    assert parameters.load(str(old)).as_dict() == params.as_dict()
    old.write_text(text.replace("kind: classification\n", "kind: none\n"), encoding="utf-8")
    with pytest.raises(TrainersError, match=r"is no configuration of this project.*none"):
        parameters.load(str(old))


def test_a_folder_is_read_for_the_task_that_it_is_of(trained):
    folder, params, _ = trained
    assert restoring.configuration(folder, ClassificationTask).as_dict() == params.as_dict()


@needs_official
def test_a_folder_is_not_read_for_another_task(trained):
    folder, _, _ = trained
    with pytest.raises(TrainersError, match=r"of gan, not of classification.*model_dir=" + folder):
        restoring.configuration(folder, kinds.find("gan").task)


def test_a_kind_has_one_task():
    with pytest.raises(ValueError, match=r"`kind` must be new.*kind='classification'"):
        kinds.register(ExperimentConfig)(ClassificationTask)
    assert kinds.find("classification").task is ClassificationTask
    made_of_official = {"gan", "maskrcnn"} if keras_choice.has_official() else set()
    assert set(kinds.KINDS) == {"classification", *made_of_official}


def test_divergence_names_step_and_layer_and_keeps_the_checkpoint(tmp_path):
    params = tiny.config("pixelnorm_relu")
    params.trainer.optimizer_config.warmup.linear.warmup_steps = 0
    params.trainer.optimizer_config.learning_rate.cosine.initial_learning_rate = 1e30
    with pytest.raises(TrainingDivergedError, match=r"not finite at step 2.*ckpt-1") as caught:
        train.run(params, "train", str(tmp_path))
    assert caught.value.step == 2
    _, model = restored(str(tmp_path), params)
    assert caught.value.layer in {layer.name for layer in model.layers}
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-1")
    for value in model.get_weights():
        assert np.isfinite(value).all()


def test_warm_up_and_cosine_follow_the_formula():
    settings = tiny.digits.config("frn", 128).trainer
    rate = optimizers.learning_rate(settings.optimizer_config)
    steps, warmup = settings.train_steps, settings.train_steps // tiny.digits.EPOCHS
    for step in (0, 3, warmup, 50, steps):
        if step < warmup:
            start = 0.05 * (1 + math.cos(math.pi * warmup / steps))
            expected = start * step / warmup
        else:
            expected = 0.05 * (1 + math.cos(math.pi * step / steps))
        assert float(rate(step)) == pytest.approx(expected, abs=1e-6), step
