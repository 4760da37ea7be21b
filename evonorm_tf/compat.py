"""All differences between the Keras generations behind `tf.keras`.

`tf.keras` is Keras 2 (TensorFlow 2.15), `tf_keras` (TF_USE_LEGACY_KERAS=1) or Keras 3.
"""

from typing import Any

import tensorflow as tf

# `tf.keras.version` is a function only in Keras 3.
IS_KERAS_3 = hasattr(tf.keras, "version")


def add_float32_weight(layer: Any, name: str, shape: tuple[int, ...], **kwargs: Any) -> Any:
    """`layer.add_weight` for a weight that stays float32 under any dtype policy."""
    autocast = "autocast" if IS_KERAS_3 else "experimental_autocast"
    return layer.add_weight(name=name, shape=shape, dtype="float32", **{autocast: False}, **kwargs)


def autocasts(layer: Any) -> bool:
    """Whether a layer's input is cast to its compute dtype before `call`."""
    return layer.autocast if IS_KERAS_3 else layer._autocast


def output_shape(shape: Any) -> Any:
    """A shape as this Keras wants it from `compute_output_shape`."""
    return tuple(shape) if IS_KERAS_3 else tf.TensorShape(shape)


def add_moving_statistic(layer: Any, name: str, shape: tuple[int, ...], initializer: str) -> Any:
    """A non-trainable float32 weight whose copies on several replicas are averaged.

    Keras 2 keeps a copy per replica and averages when the weight is read outside the
    replicas; Keras 3 averages at each assignment. The weight reads the same either way.
    """
    if IS_KERAS_3:
        merging = {"aggregation": "mean"}
    else:
        merging = {
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.MEAN,
        }
    return add_float32_weight(
        layer, name, shape, initializer=initializer, trainable=False, **merging
    )


def producer(tensor: Any) -> Any:
    """The layer whose output a symbolic tensor of a functional model is."""
    history = tensor._keras_history
    return history.operation if IS_KERAS_3 else history.layer


def variable(weight: Any) -> tf.Variable:
    """The TensorFlow variable of a layer's weight."""
    return weight.value if IS_KERAS_3 else weight
