"""The anchors are the networks that the paper's search scores layers on."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from evonorm_tf.layers.base import NormAct
from tests.tiers import tiered
from trainers.models import summary
from trainers.models.anchors import ANCHORS, build_anchor

SMALL = [name for name in ANCHORS if name.endswith("_small")]
FULL = {
    "resnet50_cifar": "resnet50_v2",
    "mobilenet_v2_cifar": "mobilenet_v2",
    "efficientnet_b0_cifar": "efficientnet_b0",
}


def convolutions(model):
    kinds = (tf.keras.layers.Conv2D, tf.keras.layers.DepthwiseConv2D)
    return [layer for layer in model.layers if isinstance(layer, kinds)]


@pytest.mark.parametrize("name", SMALL)
def test_small_anchors(name):
    model = build_anchor(name, "evonorm_s0")
    assert model.name == name and model.input_shape == (None, 8, 8, 1)
    assert model(np.zeros((2, 8, 8, 1), "float32")).shape == (2, 10)
    assert 5_000 <= model.count_params() <= 30_000
    norms = [layer for layer in model.layers if isinstance(layer, NormAct)]
    linear = [layer for layer in norms if not layer.nonlinearity]
    assert bool(linear) == (name != "resnet_small") and len(norms) > len(linear)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_cifar_anchors_keep_depth_and_give_up_two_reductions(name):
    model = build_anchor(name, "evonorm_s0")
    assert model.input_shape == (None, None, None, 3)
    full = summary.NETWORKS[FULL[name]](norm_act="evonorm_s0")
    assert [layer.name for layer in convolutions(model)] == [
        layer.name for layer in convolutions(full)
    ]
    ratios = {
        mine.filters / theirs.filters
        for mine, theirs in zip(convolutions(model), convolutions(full), strict=True)
        if not isinstance(mine, tf.keras.layers.DepthwiseConv2D) and "_se_" not in mine.name
    }
    if name == "resnet50_cifar":
        assert ratios == {0.25}
    else:  # multiples of 8; MobileNetV2 keeps its head
        assert min(ratios) >= 0.45 and 0.5 in ratios
    last = [layer for layer in model.layers if isinstance(layer, NormAct)][-1]
    features = tf.keras.Model(model.input, last.output)
    for size in (24, 32):  # training crops, and whole images
        reduced = features(np.zeros((1, size, size, 3), "float32")).shape[1]
        assert reduced == size // 8


def test_arguments_of_an_anchor():
    model = build_anchor("resnet_small", "bn_relu", num_classes=3, input_shape=(16, 16, 2))
    assert model.input_shape == (None, 16, 16, 2) and model.output_shape == (None, 3)
    with pytest.raises(ValueError, match="name='resnet'"):
        build_anchor("resnet", "bn_relu")


@pytest.mark.parametrize(
    ("name", "norm_act"),
    tiered(
        zip(SMALL, ["bn_relu", "evonorm_b0", "evonorm_s0"], strict=True),
        slow=[("mobilenet_v2_small", "evonorm_b0")],
    ),
)
def test_small_anchors_learn_the_digits(name, norm_act):
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order, ..., None] / 8 - 1).astype("float32")
    labels = digits.target[order]
    model = build_anchor(name, norm_act)
    model.compile(
        tf.keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    data = tf.data.Dataset.from_tensor_slices((images[:1300], labels[:1300]))
    model.fit(data.repeat().batch(64).take(200), verbose=0)
    _, accuracy = model.evaluate(images[1300:], labels[1300:], verbose=0)
    assert accuracy > 0.9
