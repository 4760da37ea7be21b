"""Experiments of table 5 trace a training step, on one small image."""

import pytest
import tensorflow as tf
from official.modeling import performance

from tests.trainers import tracing
from tests.trainers.detection import small
from trainers.detection.task import MaskRCNNTask
from trainers.experiments import EXPERIMENTS

SIDE = 128  # the smallest with seven levels
# Of COCO's 91: a loop of non-maximum suppression is built for each.
CLASSES = 4
# A layer with statistics of the batch and one of groups, a backbone each.
TRACED = ["coco_maskrcnn_r50_fpn_evonorm_b0", "coco_maskrcnn_spinenet96_evonorm_s0"]


def trace_a_step(name, folder):
    """On one image."""
    params = EXPERIMENTS[name].build()
    performance.set_mixed_precision_policy(params.runtime.mixed_precision_dtype)
    params.task.model.input_size = [SIDE, SIDE, 3]
    params.task.model.num_classes = CLASSES
    data = params.task.train_data
    data.input_path = f"{folder}/train.tfrecord"
    data.global_batch_size = 1
    logs = tracing.of_a_step(
        params, MaskRCNNTask(params.task), lambda task: task.build_inputs(data).element_spec
    )
    assert logs["loss"].shape == logs["finite"].shape == tf.TensorShape([])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.write(tmp_path_factory.mktemp("shapes"))


@pytest.mark.nightly  # the tests of the task train the small network
@pytest.mark.parametrize("name", TRACED)
def test_a_step_is_traced(name, folder, tracing_process):
    tracing_process(trace_a_step, name, folder)
