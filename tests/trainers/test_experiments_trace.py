"""Every classification network traces a training step with its layer, on two small images."""

import multiprocessing

import pytest
import tensorflow as tf

from tests.trainers import tiny  # noqa: F401  (registers all experiments)
from trainers.engine.task import ClassificationTask
from trainers.engine.trainer import Trainer
from trainers.experiments import EXPERIMENTS


def trace_a_step(params):
    """Traces loss, gradients and update on a batch of two small images."""
    params.runtime.mixed_precision_dtype = None
    channels = params.task.model.input_size[2]
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trainer = Trainer(params, ClassificationTask(params.task), train=True, evaluate=False)

    def step(images, labels):
        inputs = (images, labels, None)
        run = trainer.task.train_step
        arguments = (inputs, trainer.model, trainer.optimizer, trainer.train_metrics)
        return trainer.strategy.run(run, args=arguments)[trainer.task.loss]

    traced = tf.function(step, autograph=False).get_concrete_function(
        tf.TensorSpec((2, 32, 32, channels)), tf.TensorSpec((2,), tf.int32)
    )
    assert traced.output_shapes == tf.TensorShape([])


def distinct():
    """The experiments, without those that differ in batch size and settings alone."""
    pairs = {}
    for name, experiment in EXPERIMENTS.items():
        params = experiment.build()
        if params.kind == "classification":
            model = params.task.model
            pairs.setdefault((model.network, model.norm_act), name)
    return list(pairs.values())


@pytest.fixture(scope="module")
def processes():
    """A process that is replaced after some traces: TensorFlow never frees a traced graph."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=4) as pool:
        yield pool


def trace_by_name(name):
    trace_a_step(EXPERIMENTS[name].build())


@pytest.mark.slow
@pytest.mark.parametrize("name", distinct())
def test_a_step_is_traced(name, processes):
    processes.apply_async(trace_by_name, (name,)).get(timeout=1800)
