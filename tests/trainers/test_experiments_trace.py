"""Classification networks trace a training step with their layers, on two small images."""

import pytest
import tensorflow as tf

from tests.tiers import tiered
from tests.trainers import (
    tiny,  # noqa: F401  (registers all experiments)
    tracing,
)
from trainers.classification.task import ClassificationTask
from trainers.experiments import EXPERIMENTS


def trace_a_step(name):
    """On two images of 32 by 32."""
    params = EXPERIMENTS[name].build()
    params.runtime.mixed_precision_dtype = None
    images = tf.TensorSpec((2, 32, 32, params.task.model.input_size[2]))
    batch = images, tf.TensorSpec((2,), tf.int32), None
    logs = tracing.of_a_step(params, ClassificationTask(params.task), lambda _: batch)
    assert logs["loss"].shape == tf.TensorShape([])


def experiments():
    """Every layer in one small network, and each other network with B0, or S0 where it has none.

    Layers that the small network has not are traced once.
    """
    pairs = {}
    for name, experiment in EXPERIMENTS.items():
        params = experiment.build()
        if params.kind == "classification":
            model = params.task.model
            pairs.setdefault((model.network, model.norm_act), name)
    names, networks, layers = [], set(), set()
    for (network, layer), name in sorted(pairs.items(), key=_order):
        if layer not in layers or network not in networks:
            names.append(name)
            networks.add(network)
            layers.add(layer)
    return names


def _order(pair):
    (network, layer), _ = pair
    usual = ["evonorm_b0", "evonorm_s0"]
    return network != "resnet_small", usual.index(layer) if layer in usual else len(usual)


def of_a_kind(name):
    """A ResNet and inverted bottlenecks with B0, and B0's kind and S0's in the small one."""
    model = EXPERIMENTS[name].build().task.model
    network, layer = model.network, model.norm_act
    if network == "resnet_small":
        return layer in ("evonorm_b0", "evonorm_s0")
    families = ("resnet50", "efficientnet_b0")
    return network in families and layer == "evonorm_b0"


NAMES = experiments()


@pytest.mark.parametrize("name", tiered(NAMES, slow=[name for name in NAMES if of_a_kind(name)]))
def test_a_step_is_traced(name, tracing_process):
    tracing_process(trace_a_step, name)
