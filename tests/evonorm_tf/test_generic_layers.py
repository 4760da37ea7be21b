"""Keras's own tests of any layer: tf_keras's `layer_test`, and `run_layer_test` of Keras 3."""

import importlib
import itertools

import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat
from tests.tiers import tiered

SHAPES = [(2, 5, 8), (2, 4, 3, 8), (2, 3, 2, 2, 8)]
PRIMITIVES = {"STD BWH": ("STD", "BWH"), "RMS WHCQ": ("RMS", "WHCQ"), "SIGMOID": ("SIGMOID", None)}
NAMES = [*en.names(), *PRIMITIVES]
CHOSEN = ["bn_relu", "evonorm_b0", "evonorm_s0", "rs_rej", "STD BWH"]
CASES = tiered(itertools.product(NAMES, SHAPES), slow=[(name, SHAPES[1]) for name in CHOSEN])


def class_and_arguments(name):
    if name in PRIMITIVES:
        op, index_set = PRIMITIVES[name]
        return en.PrimitiveLayer, {"op": op, "index_set": index_set}
    layer = en.get(name)
    return type(layer), {"graph": layer.graph} if isinstance(layer, en.GraphLayer) else {}


def keras_module(name):
    """A module of the Keras behind tf.keras, which has no public name."""
    root = tf.keras.layers.Layer.__module__.partition(".")[0]
    return importlib.import_module(f"{root}.src.{name}")


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_keras_accepts_the_layer(name, shape):
    layer_class, arguments = class_and_arguments(name)
    if compat.IS_KERAS_3:
        keras_module("testing").TestCase().run_layer_test(
            layer_class,
            init_kwargs=arguments,
            input_shape=shape,
            expected_output_shape=shape,
            supports_masking=True,
        )
    else:
        keras_module("testing_infra.test_utils").layer_test(
            layer_class, arguments, shape, supports_masking=True
        )
