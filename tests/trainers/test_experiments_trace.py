"""Every classification network traces a training step with its layer, on two small images."""

import pytest
import tensorflow as tf

from tests.trainers import (
    tiny,  # noqa: F401  (registers all experiments)
    tracing,
)
from trainers.engine.task import ClassificationTask
from trainers.experiments import EXPERIMENTS


def trace_a_step(name):
    """On two images of 32 by 32."""
    params = EXPERIMENTS[name].build()
    params.runtime.mixed_precision_dtype = None
    images = tf.TensorSpec((2, 32, 32, params.task.model.input_size[2]))
    batch = images, tf.TensorSpec((2,), tf.int32), None
    logs = tracing.of_a_step(params, ClassificationTask(params.task), lambda _: batch)
    assert logs["loss"].shape == tf.TensorShape([])


def distinct():
    """The experiments, without those that differ in batch size and settings alone."""
    pairs = {}
    for name, experiment in EXPERIMENTS.items():
        params = experiment.build()
        if params.kind == "classification":
            model = params.task.model
            pairs.setdefault((model.network, model.norm_act), name)
    return list(pairs.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", distinct())
def test_a_step_is_traced(name, tracing_process):
    tracing_process(trace_a_step, name)
