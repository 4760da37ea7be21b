"""kill -9 in the middle of training, and the same command again."""

import subprocess

import pytest
import tensorflow as tf

from tests.trainers import processes, tiny
from trainers import train

STEPS = 150


def command(folder, steps=STEPS, mode="train", **overrides):
    """Five steps at a time."""
    settings = {
        "task.model.network": "tiny",
        "trainer.train_steps": steps,
        "trainer.steps_per_loop": 5,
        "trainer.summary_interval": 5,
        "trainer.checkpoint_interval": 5,
        "trainer.validation_interval": 1000,
        **overrides,
    }
    experiment = "digits_resnet_small_evonorm_b0_batch16"
    return processes.command("tests.trainers.tiny", experiment, folder, mode, **settings)


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    killed, whole = str(tmp_path / "killed"), str(tmp_path / "whole")
    stopped_at = processes.killed_at(command(killed), killed, 10)
    assert 10 <= processes.step_of(stopped_at) < STEPS

    # What a kill in the middle of writing leaves: data that no state file names.
    (tmp_path / "killed" / f"ckpt-{STEPS - 1}.data-00000-of-00001").write_bytes(b"half")
    assert f"restored from checkpoint: {stopped_at}" in processes.finished(command(killed))
    assert "restored from checkpoint" not in processes.finished(command(whole))
    for folder in (killed, whole):
        assert tf.train.latest_checkpoint(folder).endswith(f"ckpt-{STEPS}")
    processes.assert_same_model(killed, whole)


@pytest.mark.nightly
def test_unknown_keys_are_errors(tmp_path):
    done = subprocess.run(
        command(str(tmp_path), **{"task.model.colour": 3}),
        cwd=processes.ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "colour" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_finished_training_has_nothing_to_do(tmp_path):
    params = tiny.config(train_steps=2)
    train.run(params, "train", str(tmp_path))
    before = (tmp_path / "ckpt-2.index").stat().st_mtime_ns
    train.run(params, "train", str(tmp_path))
    assert (tmp_path / "ckpt-2.index").stat().st_mtime_ns >= before
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-2")
