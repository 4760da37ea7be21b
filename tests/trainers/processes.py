"""Trainings in processes of their own, to be killed and started again."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]


def command(module, experiment, folder, mode="train", **overrides):
    """The command line of a training; `module` is a program like `trainers.train`."""
    return [
        sys.executable,
        "-m",
        module,
        f"--experiment={experiment}",
        f"--mode={mode}",
        f"--model_dir={folder}",
        "--params_override=" + ",".join(f"{name}={value}" for name, value in overrides.items()),
    ]


def start(arguments, **environment):
    """Starts a training."""
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_checkpoint(process, folder, at_least):
    """Returns once a checkpoint of that step or later is complete."""
    while process.poll() is None:
        latest = tf.train.latest_checkpoint(folder)
        if latest and step_of(latest) >= at_least:
            return
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    pytest.fail(f"ended before step {at_least}: {process.communicate()[1][-3000:]}")


def kill(process):
    """kill -9."""
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def killed_at(arguments, folder, at_least, **environment) -> str:
    """The newest checkpoint of a training that is killed after a step."""
    process = start(arguments, **environment)
    wait_for_checkpoint(process, folder, at_least)
    kill(process)
    process.stderr.close()
    return tf.train.latest_checkpoint(folder)


def finished(arguments, **environment) -> str:
    """What a training prints that runs to its end."""
    done = subprocess.run(
        arguments,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def step_of(checkpoint) -> int:
    """The number in a checkpoint's name."""
    return int(checkpoint.rpartition("-")[2])


def assert_same_model(*folders):
    """The newest checkpoints of two folders hold the same model, bit for bit.

    Keras 3's optimizer holds the trained variables too, and the checkpoint names them after it.
    """
    first, second = (tf.train.load_checkpoint(tf.train.latest_checkpoint(f)) for f in folders)
    of_model = ("model/", "optimizer/_trainable_variables/")
    names = [name for name in first.get_variable_to_shape_map() if name.startswith(of_model)]
    assert len(names) > 10
    for name in names:
        assert (first.get_tensor(name) == second.get_tensor(name)).all(), name
