"""Compares parameters and multiply-adds of the Mask R-CNNs with the paper's table 5.

    python -m trainers.detection.summary

Multiply-adds are those of convolutions and dense layers for one image of 1024x1024 in
evaluation: of backbone, pyramid and heads, with 1000 proposals and 100 detections. The paper's
numbers include the norm-act layers, whose multiply-adds it does not define. A second table has
the parameters with a ResNet of version 1, which the experiments use, and of version 2.
"""

import functools

from trainers import command

if __name__ == "__main__":
    command.run_module("trainers.detection.summary")

import numpy as np
import tensorflow as tf

from evonorm_tf.layers.base import NormAct
from trainers.detection.config import ModelConfig, coco_model
from trainers.detection.model import MaskRCNN, build_maskrcnn
from trainers.models.resnet import resnet_features, resnet_network, resnet_spec
from trainers.models.summary import Site, Skeleton, count_with, markdown
from trainers.platform.model_parts import layers_within

# Millions of parameters, billions of multiply-adds (table 5).
PAPER = {
    "r50_fpn": {
        "bn_relu": (46.37, 379.7),
        "bn_silu": (46.38, 379.9),
        "evonorm_b0": (46.38, 380.4),
        "gn_relu": (46.37, 380.8),
        "evonorm_s0": (46.38, 380.4),
    },
    "spinenet96": {
        "bn_relu": (55.19, 315.0),
        "bn_silu": (55.21, 315.2),
        "evonorm_b0": (55.21, 315.8),
        "gn_relu": (55.19, 316.5),
        "evonorm_s0": (55.21, 315.8),
    },
}


@functools.cache
def skeleton(backbone: str) -> Skeleton:
    """A network of table 5 ("r50_fpn", "spinenet96") without its norm-act layers."""
    return skeleton_of(coco_model(backbone, "bn_relu"))


def skeleton_of(config: ModelConfig) -> Skeleton:
    """A Mask R-CNN without its norm-act layers."""
    model = build_maskrcnn(config)
    parameters, sites = _parts(model)
    return Skeleton(parameters, multiply_adds(model, config.input_size), sites)


def with_resnet50_v2(base: Skeleton) -> Skeleton:
    """The R50-FPN of `skeleton` with a ResNet-50 v2 in place of v1, as far as parameters go.

    The pyramid gets the activated input of each next stage, and the last layer's output.
    """
    old, new = (_parts(_resnet50(version)) for version in (1, 2))
    sites = list(base.sites)
    for site in old[1]:
        sites.remove(site)
    return base._replace(parameters=base.parameters - old[0] + new[0], sites=sites + new[1])


def _resnet50(version: int) -> tf.keras.Model:
    net = resnet_network("bn_relu", norm_act_args={}, kernel_regularizer=None)
    images = tf.keras.Input((128, 128, 3))  # parameters do not depend on it
    features = resnet_features(net, images, resnet_spec(50), version, width=1.0)
    return tf.keras.Model(images, list(features.values()))


def _parts(model: tf.keras.Model) -> tuple[int, list[Site]]:
    """Parameters of convolutions and dense layers, and the places of the norm-act layers."""
    layers = layers_within(model, NormAct)
    own = {id(variable) for layer in layers for variable in layer.variables}
    parameters = sum(int(np.prod(v.shape)) for v in model.variables if id(v) not in own)
    return parameters, [Site(layer.gamma.shape[0], layer.nonlinearity) for layer in layers]


def multiply_adds(model: MaskRCNN, input_size: list[int]) -> int:
    """Multiply-adds of the convolutions and dense layers for one image in evaluation."""

    @tf.function(autograph=False)
    def forward(images: tf.Tensor) -> dict[str, tf.Tensor]:
        sizes = tf.constant([input_size[:2]], tf.float32)
        return model(images, image_shape=sizes, training=False)

    graph = forward.get_concrete_function(tf.TensorSpec([1, *input_size])).graph
    return sum(_of_operation(operation) for operation in graph.get_operations())


def _of_operation(operation: tf.Operation) -> int:
    """The multiply-adds of one operation: the kernel's size times the positions of the output."""
    if operation.type == "Conv2D":
        places = operation.outputs[0].shape[1:3]
        return int(np.prod([*places, *operation.inputs[1].shape])) * operation.outputs[0].shape[0]
    if operation.type == "Conv2DBackpropInput":  # of transposed convolutions
        places = operation.inputs[2].shape[:3]
        return int(np.prod([*places, *operation.inputs[1].shape]))
    if operation.type == "MatMul":
        return int(np.prod([operation.inputs[0].shape[0], *operation.inputs[1].shape]))
    return 0


def table() -> list[list[str]]:
    """Rows of text, the header first."""
    rows = [
        [
            "network",
            "layer",
            "parameters (M)",
            "paper",
            "multiply-adds (B), no layers",
            "paper, with layers",
        ]
    ]
    for backbone, layers in PAPER.items():
        base = skeleton(backbone)
        for layer, (parameters, paper_multiply_adds) in layers.items():
            row = [backbone, layer, _millions(base, layer)]
            row += [f"{parameters:.2f}", f"{base.multiply_adds / 1e9:.1f}"]
            rows.append([*row, f"{paper_multiply_adds:.1f}"])
    return rows


def versions() -> list[list[str]]:
    """The parameters of R50-FPN with either ResNet, and the paper's, as rows of text."""
    rows = [["layer", "ResNet v1 (M)", "ResNet v2 (M)", "paper (M)"]]
    first = skeleton("r50_fpn")
    second = with_resnet50_v2(first)
    for layer, (parameters, _) in PAPER["r50_fpn"].items():
        counts = (_millions(base, layer) for base in (first, second))
        rows.append([layer, *counts, f"{parameters:.2f}"])
    return rows


def _millions(base: Skeleton, layer: str) -> str:
    return f"{count_with(base, layer).trainable / 1e6:.2f}"


def main(_: list[str]) -> None:
    """Prints the tables."""
    print(markdown(table()))
    print(markdown(versions()))
