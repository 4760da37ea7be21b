"""kill -9 in the middle of training, and the same command again."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
import tensorflow as tf

from tests.trainers import tiny
from trainers import train

STEPS = 150
ROOT = pathlib.Path(__file__).parents[2]


def command(folder, steps=STEPS, mode="train", **overrides):
    settings = {
        "task.model.network": "tiny",
        "trainer.train_steps": steps,
        "trainer.steps_per_loop": 5,
        "trainer.summary_interval": 5,
        "trainer.checkpoint_interval": 5,
        "trainer.validation_interval": 1000,
        **overrides,
    }
    return [
        sys.executable,
        "-m",
        "tests.trainers.tiny",
        "--experiment=digits_resnet_small_evonorm_b0_batch16",
        f"--mode={mode}",
        f"--model_dir={folder}",
        "--params_override=" + ",".join(f"{name}={value}" for name, value in settings.items()),
    ]


def wait_for_checkpoint(process, folder, at_least):
    """Returns once a checkpoint of that step or later is complete."""
    while process.poll() is None:
        latest = tf.train.latest_checkpoint(folder)
        if latest and int(latest.rpartition("-")[2]) >= at_least:
            return
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"ended before step {at_least}: {process.communicate()[1][-3000:]}")


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    killed, whole = str(tmp_path / "killed"), str(tmp_path / "whole")
    process = subprocess.Popen(
        command(killed), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for_checkpoint(process, killed, 10)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    stopped_at = int(tf.train.latest_checkpoint(killed).rpartition("-")[2])
    assert 10 <= stopped_at < STEPS

    # What a kill in the middle of writing leaves: data that no state file names.
    (tmp_path / "killed" / f"ckpt-{STEPS - 1}.data-00000-of-00001").write_bytes(b"half")
    for folder in (killed, whole):
        done = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert tf.train.latest_checkpoint(folder).endswith(f"ckpt-{STEPS}")
    assert f"restored from checkpoint: {whole}" not in done.stdout

    first, second = (
        tf.train.load_checkpoint(tf.train.latest_checkpoint(f)) for f in (killed, whole)
    )
    names = [name for name in first.get_variable_to_shape_map() if name.startswith("model/")]
    assert len(names) > 10
    for name in names:
        assert (first.get_tensor(name) == second.get_tensor(name)).all(), name


@pytest.mark.slow
def test_unknown_keys_are_errors(tmp_path):
    done = subprocess.run(
        command(str(tmp_path), **{"task.model.colour": 3}),
        cwd=ROOT,
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
