"""The Keras layers, a family of normalization-activation layers a module.

Importing this package registers all of them with Keras.
"""

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
    "LayerNormReLU",
    "PixelNormReLU",
    "PrimitiveLayer",
]
