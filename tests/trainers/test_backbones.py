"""The networks inside tf-models-official's models for classification, detection, segmentation."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from official.vision.configs import common, decoders, retinanet
from official.vision.configs import image_classification as classification
from official.vision.configs import semantic_segmentation as segmentation
from official.vision.modeling import factory
from official.vision.modeling.backbones import factory as backbone_factory

import evonorm_tf as en
from evonorm_tf.layers.base import NormAct
from tests.tiers import tiered
from trainers import backbones
from trainers.backbones import (
    Backbone,
    EvoEfficientNet,
    EvoMnasNet,
    EvoMobileNetV2,
    EvoResNet,
    NormActArgs,
)
from trainers.models import summary
from trainers.models.norm_act import resolve

FAMILIES = {
    "evo_resnet": EvoResNet(depth=18),
    "evo_mobilenet_v2": EvoMobileNetV2(),
    "evo_mnasnet": EvoMnasNet(),
    "evo_efficientnet": EvoEfficientNet(),
}
NETWORKS = {
    "evo_resnet": "resnet18_v2",
    "evo_mobilenet_v2": "mobilenet_v2",
    "evo_mnasnet": "mnasnet_b1_1",
    "evo_efficientnet": "efficientnet_b0",
}


def choice(family, **changes):
    return Backbone(type=family, **{family: dataclasses.replace(FAMILIES[family], **changes)})


def build(config, size=64, norm_activation=None, regularizer=None):
    specs = tf.keras.layers.InputSpec(shape=[None, size, size, 3])
    norm_activation = norm_activation or common.NormActivation()
    return backbone_factory.build_backbone(specs, config, norm_activation, regularizer)


def norm_acts(model):
    return [layer for layer in model.submodules if isinstance(layer, NormAct)]


@pytest.mark.parametrize("family", tiered(FAMILIES, ["evo_resnet"]))
def test_each_family_through_the_factory(family):
    model = build(choice(family, norm_act="evonorm_s0"))
    sizes = {level: shape[1] for level, shape in model.output_specs.items()}
    assert {level: 64 // 2 ** int(level) for level in sizes} == sizes
    assert set("2345") <= set(sizes)
    features = model(np.zeros((1, 64, 64, 3), "float32"))
    assert {level: features[level].shape[1] for level in sizes} == sizes
    assert all(isinstance(layer, en.EvoNormS0) for layer in norm_acts(model))
    logits = 1000 * features[max(features)].shape[-1] + 1000
    assert model.count_params() + logits == summary.count(NETWORKS[family], "evonorm_s0").total


def test_config_reaches_the_layers(tmp_path):
    config = choice("evo_resnet", norm_act="evonorm_b0", norm_act_args=NormActArgs(momentum=0.5))
    norm_activation = common.NormActivation(norm_epsilon=1e-4, use_sync_bn=True)
    model = build(config, norm_activation=norm_activation, regularizer="l2")
    layers = norm_acts(model)
    found = {(layer.epsilon, layer.momentum, layer.synchronized) for layer in layers}
    assert found == {(1e-4, 0.5, True)}
    assert len(model.losses) == 20  # one for each convolution: 17 and 3 projections
    path = tmp_path / "layer.json"
    en.get("random_rej").graph.save(path)
    model = build(choice("evo_resnet", norm_act=str(path), version=1, width=0.125))
    assert {type(layer) for layer in norm_acts(model)} == {en.GraphLayer}


def test_overrides_are_checked():
    config = Backbone()
    override = {"type": "evo_resnet", "evo_resnet": {"norm_act_args": {"groups": 8}}}
    config.override(override, is_strict=True)
    assert config.get().norm_act_args.groups == 8
    with pytest.raises(KeyError, match="deepth"):
        config.override({"evo_resnet": {"deepth": 34}}, is_strict=True)


def test_an_argument_that_the_layer_has_not_is_an_error():
    with pytest.raises(ValueError, match="Received: momentum"):
        resolve("evonorm_s0", {"momentum": 0.9})
    with pytest.raises(ValueError, match=r"`here` .*norm_act='evonorm'"):
        resolve("evonorm", field="here")
    chosen = NormActArgs(groups=4).given()
    defaults = {"groups": 8, "epsilon": 0.1, "momentum": 0.5}
    expected = ("evonorm_s0", {"groups": 4, "epsilon": 0.1})
    assert resolve("evonorm_s0", chosen, defaults) == expected


def small(norm_act="evonorm_s0"):
    return Backbone(
        type="evo_resnet", evo_resnet=EvoResNet(norm_act=norm_act, depth=18, width=0.125)
    )


def test_classification():
    config = classification.ImageClassificationModel(
        num_classes=7, input_size=[64, 64, 3], backbone=small()
    )
    specs = tf.keras.layers.InputSpec(shape=[None, 64, 64, 3])
    model = factory.build_classification_model(specs, config)
    assert model(np.zeros((2, 64, 64, 3), "float32")).shape == (2, 7)


@pytest.mark.slow
def test_detection():
    config = retinanet.RetinaNet(
        num_classes=4, input_size=[128, 128, 3], backbone=small(), min_level=3, max_level=6
    )
    specs = tf.keras.layers.InputSpec(shape=[None, 128, 128, 3])
    model = factory.build_retinanet(specs, config)
    boxes = model(np.zeros((1, 128, 128, 3), "float32"), training=True)["box_outputs"]
    assert [boxes[level].shape[1] for level in "3456"] == [16, 8, 4, 2]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["evo_resnet", "evo_mobilenet_v2"])
def test_segmentation(family):
    config = segmentation.SemanticSegmentationModel(
        num_classes=5,
        input_size=[128, 128, 3],
        min_level=3,
        max_level=5,
        backbone=choice(family, norm_act="evonorm_s0"),
        decoder=decoders.Decoder(type="fpn"),
        head=segmentation.SegmentationHead(level=3),
    )
    specs = tf.keras.layers.InputSpec(shape=[None, 128, 128, 3])
    model = factory.build_segmentation_model(specs, config)
    assert model(np.zeros((1, 128, 128, 3), "float32"))["logits"].shape == (1, 16, 16, 5)


def test_stock_backbones_stay_available():
    fields = {field.name for field in dataclasses.fields(backbones.Backbone)}
    assert {"resnet", "spinenet", "mobilenet", *FAMILIES} <= fields
