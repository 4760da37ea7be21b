"""Replicas on one machine and on two give the curve that one device gives."""

import contextlib
import glob
import json
import socket

import numpy as np
import pytest
import tensorflow as tf

from tests.tiers import tiered
from tests.trainers import processes, test_resume, tiny
from trainers import train
from trainers.engine import distribution
from trainers.errors import TrainersError

STEPS = 6


def losses(folder):
    """The training losses in a model folder's TensorBoard events, by step."""
    found = {}
    for path in glob.glob(f"{folder}/train/events*"):
        for event in tf.compat.v1.train.summary_iterator(path):
            for value in event.summary.value:
                if value.tag == "training_loss":
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return [found[step] for step in sorted(found)]


def config(layer, strategy, replicas=1):
    params = tiny.config(layer, 8, train_steps=STEPS, checkpoint_interval=STEPS)
    params.task.model.synchronized = True
    params.runtime.distribution_strategy = strategy
    params.runtime.cpu_replicas = replicas
    return params


@pytest.mark.parametrize("layer", tiered(["evonorm_b0", "evonorm_s0"], slow=["evonorm_b0"]))
def test_two_replicas_equal_one_device(layer, tmp_path):
    """Synchronized statistics: within 1e-5 of each loss, and of all weights."""
    weights = []
    for strategy, replicas in (("one_device", 1), ("mirrored", 2)):
        folder = str(tmp_path / strategy)
        train.run(config(layer, strategy, replicas), "train", folder)
        reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(folder))
        names = [n for n in reader.get_variable_to_shape_map() if n.startswith("model/")]
        weights.append({name: reader.get_tensor(name) for name in names if "VALUE" in name})
    one, two = losses(tmp_path / "one_device"), losses(tmp_path / "mirrored")
    assert len(one) == len(two) == STEPS
    assert one[0] != one[-1]
    np.testing.assert_allclose(two, one, rtol=1e-5)
    assert set(weights[0]) == set(weights[1])
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_batch_that_does_not_divide_is_an_error(tmp_path):
    params = config("evonorm_s0", "mirrored", 2)
    params.task.train_data.global_batch_size = 7
    with pytest.raises(TrainersError, match=r"multiple of the 2 replicas.*global_batch_size=7"):
        train.run(params, "train", str(tmp_path))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("distribution_strategy", "parameter_server", r"distribution_strategy='parameter_server'"),
        ("num_gpus", 9, r"num_gpus.*num_gpus=9"),
        ("cpu_replicas", 64, r"cpu_replicas.*cpu_replicas=64"),
    ],
)
def test_devices_that_are_not_there(field, value, message):
    runtime = config("evonorm_s0", "mirrored").runtime
    setattr(runtime, field, value)
    with pytest.raises(TrainersError, match=message):
        distribution.build_strategy(runtime)


def test_a_tpu_is_asked_for_by_name_zone_and_project(monkeypatch):
    asked = {}

    def resolver(**kwargs):
        asked.update(kwargs)
        raise RuntimeError("as far as this machine goes")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", resolver)
    runtime = config("evonorm_s0", "auto").runtime
    runtime.tpu, runtime.tpu_zone, runtime.tpu_project = "v5e-8", "us-west4-a", "mine"
    with pytest.raises(TrainersError, match="as far as"):
        distribution.build_strategy(runtime)
    assert asked == {"tpu": "v5e-8", "zone": "us-west4-a", "project": "mine"}


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def workers(folder, steps, mode="train", **overrides):
    """Two workers on this machine, killed at the end if they still run."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    overrides = {
        "runtime.distribution_strategy": "multi_worker_mirrored",
        "task.model.synchronized": "true",
        "trainer.steps_per_loop": 1,
        "trainer.summary_interval": 1,
        "trainer.checkpoint_interval": 2,
        **overrides,
    }
    started = []
    for index in range(2):
        cluster = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        arguments = test_resume.command(folder, steps, mode, **overrides)
        started.append(processes.start(arguments, TF_CONFIG=json.dumps(cluster)))
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def finish(started):
    for process in started:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors[-3000:]


@pytest.mark.slow
def test_two_workers_equal_one_device_and_survive_a_kill(tmp_path):
    whole, killed, alone = (str(tmp_path / name) for name in ("whole", "killed", "alone"))
    with workers(whole, 8) as both:
        finish(both)
    one_by_one = {"trainer.steps_per_loop": 1, "trainer.summary_interval": 1}
    one_by_one["task.model.synchronized"] = "true"
    processes.finished(test_resume.command(alone, 8, **one_by_one))
    np.testing.assert_allclose(losses(whole), losses(alone), rtol=1e-5)

    with workers(killed, 4000) as (chief, other):
        processes.wait_for_checkpoint(chief, killed, 4)
        processes.kill(other)
        chief.communicate(timeout=240)  # it notices that it is alone, and stops
        assert chief.returncode not in (0, None)
    reached = processes.step_of(tf.train.latest_checkpoint(killed))
    with workers(killed, reached + 4) as both:
        finish(both)
    assert tf.train.latest_checkpoint(killed).endswith(f"ckpt-{reached + 4}")
    assert np.isfinite(losses(killed)).all()


@pytest.mark.nightly
def test_two_workers_keep_one_best_checkpoint(tmp_path):
    """Also when they are started again, and the chief alone has written the best so far."""
    best = {
        "trainer.best_checkpoint_export_subdir": "best",
        "trainer.best_checkpoint_eval_metric": "accuracy",
        "trainer.validation_interval": 2,
    }
    for steps in (4, 8):
        with workers(str(tmp_path), steps, "train_and_eval", **best) as both:
            finish(both)
    logs = json.loads((tmp_path / "best" / "info.json").read_text())
    # Checkpoints there are numbered by how many have been the best so far.
    path = tf.train.latest_checkpoint(str(tmp_path / "best"))
    step = tf.train.load_checkpoint(path).get_tensor("global_step/.ATTRIBUTES/VARIABLE_VALUE")
    assert step == logs["best_ckpt_global_step"]
    assert len(list((tmp_path / "best").glob("*.index"))) == 1
