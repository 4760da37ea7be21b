"""Experiments of table 5 trace a training step with their layer, on one small image."""

import multiprocessing

import pytest
import tensorflow as tf
from official.modeling import performance

from tests.trainers.detection import small
from trainers.detection.task import MaskRCNNTask
from trainers.engine.trainer import Trainer
from trainers.experiments import EXPERIMENTS

# Two layers for each backbone; a trace takes minutes, and small models have tried the others.
LAYERS = ("evonorm_b0", "evonorm_s0")
SIDE = 128  # the smallest with seven levels


def trace_a_step(name, folder):
    """Traces loss, gradients and update."""
    params = EXPERIMENTS[name].build()
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype)
    params.task.model.input_size = [SIDE, SIDE, 3]
    params.task.train_data.input_path = f"{folder}/train.tfrecord"
    params.task.train_data.global_batch_size = 1
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trainer = Trainer(params, MaskRCNNTask(params.task), train=True, evaluate=False)
    inputs = trainer.task.build_inputs(params.task.train_data).element_spec

    def step(images, labels):
        arguments = ((images, labels), trainer.model, trainer.optimizer, trainer.train_metrics)
        return trainer.strategy.run(trainer.task.train_step, args=arguments)

    logs = tf.function(step, autograph=False).get_concrete_function(*inputs).structured_outputs
    assert logs["loss"].shape == logs["finite"].shape == tf.TensorShape([])


@pytest.fixture(scope="module")
def processes():
    """A process that is replaced after each trace: TensorFlow never frees a traced graph."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        yield pool


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.write(tmp_path_factory.mktemp("shapes"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [n for n, e in EXPERIMENTS.items() if e.table == "table 5" and n.endswith(LAYERS)],
)
def test_a_step_is_traced(name, folder, processes):
    processes.apply_async(trace_a_step, (name, folder)).get(timeout=1800)
