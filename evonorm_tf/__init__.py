"""EvoNorm normalization-activation layers for Keras, and the graphs they come from.

Liu, Brock, Simonyan, Le: "Evolving Normalization-Activation Layers", NeurIPS 2020,
https://arxiv.org/abs/2004.02967.
"""

from evonorm_tf.convert import convert_model
from evonorm_tf.factory import norm_act_factory
from evonorm_tf.layer_graph import LayerGraph, Node
from evonorm_tf.layers.batch_norm import BatchNormReLU, BatchNormSiLU
from evonorm_tf.layers.evonorm_b import EvoNormB0, EvoNormB1, EvoNormB2
from evonorm_tf.layers.evonorm_s import EvoNormS0, EvoNormS1, EvoNormS2
from evonorm_tf.layers.graph_layer import GraphLayer
from evonorm_tf.layers.primitive_layer import PrimitiveLayer
from evonorm_tf.layers.sample_norm import (
    FilterResponseNorm,
    GroupNormReLU,
    GroupNormSiLU,
    LayerNormReLU,
    PixelNormReLU,
)
from evonorm_tf.registry import get, names, register
from evonorm_tf.version import VERSION

__version__ = VERSION

__all__ = [
    "BatchNormReLU",
    "BatchNormSiLU",
    "EvoNormB0",
    "EvoNormB1",
    "EvoNormB2",
    "EvoNormS0",
    "EvoNormS1",
    "EvoNormS2",
    "FilterResponseNorm",
    "GraphLayer",
    "GroupNormReLU",
    "GroupNormSiLU",
    "LayerGraph",
    "LayerNormReLU",
    "Node",
    "PixelNormReLU",
    "PrimitiveLayer",
    "convert_model",
    "get",
    "names",
    "norm_act_factory",
    "register",
]
