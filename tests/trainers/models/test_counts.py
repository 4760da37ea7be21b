"""Parameters and multiply-adds against published counts, and between layers."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.tiers import everywhere, tiered
from trainers.models import efficientnet, mobilenet_v2, resnet, summary
from trainers.models.anchors import ANCHORS

# Trainable parameters and multiply-adds with batch normalization, as published with the
# weights of timm (ResNetV2: parameters) and torchvision (all else).
PUBLISHED = {
    "resnet18_v2": (11_687_720, 1_814.1),
    "resnet34_v2": (21_795_880, 3_663.8),
    "resnet50_v2": (25_549_352, 4_089.2),
    "resnet101_v2": (44_541_480, 7_801.4),
    "resnet152_v2": (60_185_128, 11_513.6),
    "resnet50d_v2": (25_568_584, None),
    "resnet50_v1": (25_557_032, 4_089.2),
    "resnet101_v1": (44_549_160, 7_801.4),
    "resnet152_v1": (60_192_808, 11_513.6),
    "mobilenet_v2": (3_504_872, 300.8),
    "mnasnet_b1_0.5": (2_218_512, 104.5),
    "mnasnet_b1_0.75": (3_170_208, 215.5),
    "mnasnet_b1_1": (4_383_312, 314.4),
    "mnasnet_b1_1.3": (6_282_256, 526.4),
    "efficientnet_b0": (5_288_548, 385.8),
    "efficientnet_b1": (7_794_184, 686.8),
    "efficientnet_b3": (12_233_232, 1_827.1),
    "efficientnet_b4": (19_341_616, 4_393.8),
    "efficientnet_b5": (30_389_784, 10_266.4),
    "efficientnet_b6": (43_040_704, 19_067.6),
    "efficientnet_b7": (66_347_960, 37_745.9),
}
EVERY_DAY = ("resnet50_v2", "mobilenet_v2")
SLOW = ("resnet50_v1", "resnet50d_v2", "mnasnet_b1_0.5", "efficientnet_b0", "efficientnet_b3")


@pytest.mark.parametrize("network", everywhere(tiered(PUBLISHED, EVERY_DAY, SLOW), EVERY_DAY))
def test_published_counts(network):
    parameters, multiply_adds = PUBLISHED[network]
    assert summary.count(network, "bn_relu").trainable == parameters
    if multiply_adds is not None:
        assert summary.skeleton(network).multiply_adds / 1e6 == pytest.approx(
            multiply_adds, abs=0.06
        )


def variables(model):
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return trainable, model.count_params()


# tf-models-official is in the everyday environment alone.
@pytest.mark.one_environment
@pytest.mark.parametrize("depth", tiered([18, 50], slow=[18]))
def test_resnet_v1_counts_as_tf_models_official(depth):
    from official.vision.modeling.backbones import resnet as official_resnet

    official = variables(official_resnet.ResNet(depth))
    logits = 1000 * (512 if depth < 50 else 2048) + 1000
    counts = summary.count(f"resnet{depth}_v1", "bn_relu")
    assert (counts.trainable - logits, counts.total - logits) == official


@pytest.mark.parametrize("width", tiered([0.35, 0.75, 1.4], slow=[0.35]))
def test_mobilenet_v2_counts_as_keras(width):
    shape = (32, 32, 3)
    theirs = tf.keras.applications.MobileNetV2(shape, width, weights=None)
    assert variables(mobilenet_v2(width, input_shape=shape)) == variables(theirs)


@pytest.mark.parametrize("variant", tiered(["b0", "b2"], slow=["b0"]))
def test_efficientnet_counts_as_keras(variant):
    build = getattr(tf.keras.applications, f"EfficientNet{variant.upper()}")
    trainable, total = variables(build(weights=None))
    counts = summary.count(f"efficientnet_{variant}", "bn_relu")
    normalization = 3 + 3 + 1  # mean, variance and count of Keras's input normalization
    assert (counts.trainable, counts.total) == (trainable, total - normalization)


@pytest.mark.parametrize("layer", ["bn_relu", "evonorm_s0", "evonorm_b0", "rs_rej"])
def test_the_table_counts_what_the_network_has(layer):
    model = summary.NETWORKS["mobilenet_v2_small"](norm_act=layer)
    counts = summary.count("mobilenet_v2_small", layer)
    assert variables(model) == (counts.trainable, counts.total)


@pytest.mark.parametrize("layer", ["evonorm_b0", "evonorm_s0"])
def test_evonorm_adds_only_v_to_resnet50(layer):
    skeleton = summary.skeleton("resnet50_v2")
    assert all(site.nonlinearity for site in skeleton.sites)
    v = sum(site.channels for site in skeleton.sites)
    added = summary.count("resnet50_v2", layer).trainable
    assert added - summary.count("resnet50_v2", "bn_relu").trainable == v == 22_720


def test_multiply_adds_by_hand():
    inputs = tf.keras.Input((8, 8, 3))
    x = tf.keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=True)(inputs)
    x = tf.keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(5)(x))
    assert summary.multiply_adds(model) == 16 * (3 * 3 * 3 * 4) + 16 * (3 * 3 * 4) + 4 * 5


def test_the_command(capsys):
    summary.main(["--networks", "resnet_small", "mobilenet_v2_small"])
    header, _, first, second = capsys.readouterr().out.splitlines()
    assert all(name in header for name in en.names())
    trainable = summary.count("resnet_small", "evonorm_s0").trainable
    assert first.startswith("| resnet_small |") and f"{trainable:,} + 0" in first
    assert second.startswith("| mobilenet_v2_small |")
    summary.main(["--csv", "--networks", "resnet_small"])
    assert capsys.readouterr().out.splitlines()[1].startswith("resnet_small,")


def test_an_unknown_network_is_an_error():
    with pytest.raises(ValueError, match="network='alexnet'"):
        summary.skeleton("alexnet")


def test_widths_scale_all_filters():
    model = resnet(18, width=0.25, input_shape=(32, 32, 3), num_classes=10)
    assert model.get_layer("stem_conv").filters == 16
    assert model.get_layer("stage4_block2_conv2").filters == 128
    model = efficientnet("b0", width=0.5, input_shape=(32, 32, 3), num_classes=10)
    assert model.get_layer("stem_conv").filters == 16
    assert model.get_layer("head_conv").filters == 640
    spec = ANCHORS["efficientnet_small"].arguments["spec"]
    arguments = {"input_shape": (8, 8, 1), "num_classes": 10, "spec": spec}
    for build in (mobilenet_v2, efficientnet):
        narrow, wide = (build(width=width, **arguments) for width in (1.0, 2.0))
        for name in ("stem_conv", "stage2_block1_project_conv", "head_conv"):
            assert wide.get_layer(name).filters == 2 * narrow.get_layer(name).filters
