"""Parameters and multiply-adds of table 5."""

import pytest
import tensorflow as tf

from trainers.detection import summary
from trainers.experiments import coco
from trainers.models.summary import count_with


def test_multiply_adds_of_hand_made_layers():
    layers = [
        tf.keras.layers.Conv2D(6, 3, strides=2, padding="same"),  # (4, 6): 24 places
        tf.keras.layers.Conv2DTranspose(5, 2, strides=2),  # on 24 places
        tf.keras.layers.Reshape((96, 5)),
        tf.keras.layers.Dense(7),  # on 96 rows
    ]

    def model(images, image_shape, training):
        for layer in layers:
            images = layer(images)
        return images

    model(tf.zeros((1, 8, 12, 3)), None, False)
    expected = 24 * 9 * 3 * 6 + 24 * 4 * 6 * 5 + 96 * 5 * 7
    assert summary.multiply_adds(model, [8, 12, 3]) == expected


@pytest.mark.nightly
def test_r50_fpn_has_the_papers_parameters_and_multiply_adds():
    base = summary.skeleton("r50_fpn")
    for layer, (parameters, multiply_adds) in summary.PAPER["r50_fpn"].items():
        assert count_with(base, layer).trainable / 1e6 == pytest.approx(parameters, abs=5e-3)
        # What the paper adds for the layers themselves.
        assert 0.5 < multiply_adds - base.multiply_adds / 1e9 < 2.0


@pytest.mark.nightly
def test_the_papers_parameters_are_those_of_resnet_v1():
    config = coco.config("r50_fpn", "bn_relu").task.model
    config.input_size = [128, 128, 3]  # parameters do not depend on it
    first = summary.skeleton_of(config)
    second = summary.with_resnet50_v2(first)
    found = {
        layer: [count_with(base, layer).trainable for base in (first, second)]
        for layer in ("bn_relu", "evonorm_b0")
    }
    assert found == {"bn_relu": [46367089, 46359409], "evonorm_b0": [46379313, 46386737]}
    for layer, (parameters, _) in summary.PAPER["r50_fpn"].items():
        v1, v2 = (count_with(base, layer).trainable / 1e6 for base in (first, second))
        assert round(v1, 2) == parameters != round(v2, 2)
    filters = {64: 3, 128: 4, 256: 6, 512: 3}  # blocks of each stage by their width
    # v1 has a layer after each convolution: of the stem, the blocks and the projections.
    v1 = 64 + sum(6 * width * blocks + 4 * width for width, blocks in filters.items())
    # v2 has one before each convolution of the blocks, whose first block of a stage has the
    # stage's before as its input, and one behind the last block.
    inputs = [64, *(4 * width for width, blocks in filters.items() for _ in range(blocks))]
    v2 = sum(inputs) + sum(2 * width * blocks for width, blocks in filters.items())
    channels = [sum(site.channels for site in base.sites) for base in (first, second)]
    assert channels[0] - channels[1] == v1 - v2


@pytest.mark.nightly
def test_spinenet96_has_the_papers_parameters():
    config = coco.config("spinenet96", "bn_relu").task.model
    config.input_size = [128, 128, 3]  # parameters do not depend on it
    base = summary.skeleton_of(config)
    for layer, (parameters, _) in summary.PAPER["spinenet96"].items():
        assert count_with(base, layer).trainable / 1e6 == pytest.approx(parameters, abs=5e-3)
