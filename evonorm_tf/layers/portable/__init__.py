"""The layers on Keras 3's own operations, for every backend but TensorFlow.

The classes, arguments, weights and registered names are those of `evonorm_tf.layers`. Gradients are
those of the backend.
"""

# ruff: noqa: F401
from evonorm_tf.layers.portable.base import NormAct
from evonorm_tf.layers.portable.batch_norm import BatchNormReLU, BatchNormSiLU
from evonorm_tf.layers.portable.evonorm_b import EvoNormB0, EvoNormB1, EvoNormB2
from evonorm_tf.layers.portable.evonorm_s import EvoNormS0, EvoNormS1, EvoNormS2
from evonorm_tf.layers.portable.graph_layer import GraphLayer
from evonorm_tf.layers.portable.primitive_layer import PrimitiveLayer
from evonorm_tf.layers.portable.sample_norm import (
    FilterResponseNorm,
    GroupNormReLU,
    GroupNormSiLU,
    LayerNormReLU,
    PixelNormReLU,
)
