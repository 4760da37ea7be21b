"""Tracing of training steps, in a process each: TensorFlow never frees a graph."""

import multiprocessing
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainers.engine.trainer import Trainer

_TRACED_BY = [
    "tests.trainers.test_experiments_trace",
    "tests.trainers.detection.test_trace",
    "tests.trainers.gan.test_experiments",
]


def of_a_step(params: Any, task: Any, batch: Callable) -> dict[str, tf.Tensor]:
    """The logs of a step traced once: its loss, gradients and update.

    Args:
      params: an experiment's.
      task: of the experiment.
      batch: the specification of a batch, of the task.
    """
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trainer = Trainer(params, task, train=True, evaluate=False)

    def step(inputs):
        arguments = inputs, trainer.model, trainer.optimizer, trainer.train_metrics
        return trainer.strategy.run(task.train_step, args=arguments)

    # A tf.function would trace again, once it has made the optimizer's variables.
    return tf.compat.v1.wrap_function(step, [batch(task)]).structured_outputs


def processes() -> Any:
    """Where to trace: a pool of one process, replaced each time by a fork that has imported all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_TRACED_BY)
    return context.Pool(1, maxtasksperchild=1)
