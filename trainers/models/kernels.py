"""The kernels of convolutions and dense layers, by the layers that have them."""

import tensorflow as tf

from evonorm_tf import compat
from trainers.platform.model_parts import layers_within


def kernel_of(layer: tf.keras.layers.Layer) -> tf.Variable | None:
    """What a convolution or dense layer multiplies its input by; None for other layers."""
    if isinstance(layer, tf.keras.layers.DepthwiseConv2D):
        return compat.variable(layer.kernel if compat.IS_KERAS_3 else layer.depthwise_kernel)
    if isinstance(layer, (tf.keras.layers.Conv2D, tf.keras.layers.Dense)):
        return compat.variable(layer.kernel)
    return None


def kernels(model: tf.keras.Model) -> list[tf.Variable]:
    """The kernels of a built model and of the models in it, in the order of the layers."""
    all_kernels = (kernel_of(layer) for layer in layers_within(model))
    return [kernel for kernel in all_kernels if kernel is not None]
