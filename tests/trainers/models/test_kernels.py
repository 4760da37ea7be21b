"""Kernels are found by their layers, whatever these are called."""

import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat
from tests.tiers import tiered
from trainers.models.anchors import ANCHORS
from trainers.models.classifiers import CLASSIFIERS
from trainers.models.kernels import kernels


def ids(variables):
    return [id(variable) for variable in variables]


@pytest.mark.parametrize("name", tiered(CLASSIFIERS, ANCHORS, slow=["resnet18", "mnasnet_b1"]))
def test_kernels_are_the_variables_that_keras_calls_so(name):
    builder, arguments = CLASSIFIERS[name]
    model = builder(norm_act="evonorm_s0", input_shape=(32, 32, 3), **arguments)
    assert len(kernels(model)) > 5
    called_so = [v for v in model.trainable_variables if "kernel" in v.name]
    assert ids(kernels(model)) == ids(map(compat.variable, called_so))


def test_the_names_of_layers_play_no_part():
    model = tf.keras.Sequential(
        [
            tf.keras.layers.DepthwiseConv2D(3, name="gamma"),
            en.EvoNormS0(name="kernel"),
            tf.keras.layers.Conv2D(4, 1, name="beta"),
            tf.keras.layers.BatchNormalization(name="kernel_norm"),
            tf.keras.layers.Dense(2, name="bias"),
        ]
    )
    model.build((None, 4, 4, 3))
    depthwise, _, conv, _, dense = model.layers
    expected = [depthwise.weights[0], conv.kernel, dense.kernel]
    assert ids(kernels(model)) == ids(map(compat.variable, expected))
