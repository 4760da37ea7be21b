"""Compares parameters and multiply-adds of the Mask R-CNNs with the paper's table 5.

    python -m trainers.detection.summary

Multiply-adds are those of convolutions and dense layers for one image of 1024x1024 in
evaluation: of backbone, pyramid and heads, with 1000 proposals and 100 detections. The paper's
numbers include the norm-act layers, whose multiply-adds it does not define.
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
from trainers.models.summary import Site, Skeleton, count_with, markdown

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
    layers = [layer for layer in model.submodules if isinstance(layer, NormAct)]
    own = {id(variable) for layer in layers for variable in layer.variables}
    parameters = sum(int(np.prod(v.shape)) for v in model.variables if id(v) not in own)
    sites = [Site(layer.gamma.shape[0], layer.nonlinearity) for layer in layers]
    return Skeleton(parameters, multiply_adds(model, config.input_size), sites)


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
            row = [backbone, layer, f"{count_with(base, layer).trainable / 1e6:.2f}"]
            row += [f"{parameters:.2f}", f"{base.multiply_adds / 1e9:.1f}"]
            rows.append([*row, f"{paper_multiply_adds:.1f}"])
    return rows


def main(_: list[str]) -> None:
    """Prints the table."""
    print(markdown(table()))
