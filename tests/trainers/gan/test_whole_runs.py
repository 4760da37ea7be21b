"""Whole runs: the ImageNet experiment in small, two replicas, and data that is damaged."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers import tfds_data
from tests.trainers.gan import tiny
from trainers import train
from trainers.engine import parameters
from trainers.errors import TrainersError
from trainers.experiments import biggan


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    tfds_data.prepare_imagenet(folder)
    return folder


def small_imagenet(data_dir, steps):
    params = biggan.imagenet("evonorm_s0")
    for name, value in {**tiny.SIZES, "input_size": [8, 8, 3]}.items():
        setattr(params.task.model, name, value)
    data = params.task.train_data
    data.data_dir, data.global_batch_size, data.shuffle_buffer = str(data_dir), 4, 4
    for name in ("train_steps", "checkpoint_interval", "validation_interval"):
        setattr(params.trainer, name, steps)
    params.trainer.steps_per_loop = params.trainer.summary_interval = 1
    params.trainer.checkpoint_interval = 1
    parameters.check(params)
    return params


@pytest.mark.nightly  # its step is traced in each run
def test_the_imagenet_experiment_trains_and_a_corrupt_record_stops_it(data_dir, tmp_path):
    folder = str(tmp_path / "model")
    train.run(small_imagenet(data_dir, 2), "train", folder)
    assert tf.train.latest_checkpoint(folder).endswith("ckpt-2")
    (file,) = pathlib.Path(data_dir).glob("imagenet2012/*/*train*tfrecord*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(TrainersError, match=r"'imagenet2012'.*corrupt; prepare.*ckpt-\d+"):
        train.run(small_imagenet(data_dir, 40), "train", folder)


@pytest.mark.slow
def test_missing_data_is_an_error(tmp_path):
    params = small_imagenet(tmp_path / "nowhere", 2)
    with pytest.raises(TrainersError, match=r"imagenet2012.*is not prepared"):
        train.run(params, "train", str(tmp_path / "model"))


@pytest.mark.nightly
def test_two_replicas_train_and_evaluate_with_shared_statistics(tmp_path):
    params = tiny.config("evonorm_b0", train_steps=2, validation_interval=2)
    params.runtime.distribution_strategy, params.runtime.cpu_replicas = "mirrored", 2
    found = train.run(params, "train_and_eval", str(tmp_path))
    assert found["samples"] == 100
    assert np.isfinite(found["fid"]) and found["inception_score"] >= 1.0
    # One replica reads what two have written, and evaluates it alike.
    params = tiny.config("evonorm_b0", train_steps=2, validation_interval=2)
    alone = train.run(params, "eval", str(tmp_path))
    assert alone["samples"] == 100 and alone["fid"] != found["fid"]  # other batches of noise
    assert alone["fid"] == pytest.approx(found["fid"], rel=0.2)
