"""The Keras layers, one module for each family.

Importing this package registers all of them with Keras; `evonorm_tf.__all__` lists them. With
another backend than TensorFlow they are those of `portable`, and TensorFlow is not imported.
"""

# ruff: noqa: F401
from typing import TYPE_CHECKING

from evonorm_tf import backend

if not TYPE_CHECKING and backend.name() != "tensorflow":
    from evonorm_tf.layers.portable import (
        BatchNormReLU,
        BatchNormSiLU,
        EvoNormB0,
        EvoNormB1,
        EvoNormB2,
        EvoNormS0,
        EvoNormS1,
        EvoNormS2,
        FilterResponseNorm,
        GraphLayer,
        GroupNormReLU,
        GroupNormSiLU,
        LayerNormReLU,
        NormAct,
        PixelNormReLU,
        PrimitiveLayer,
    )
else:
    from evonorm_tf.layers.base import NormAct
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
