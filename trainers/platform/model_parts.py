"""Layers and variables of a model, for Keras 2 and Keras 3."""

import tensorflow as tf


def layers_within(model: tf.keras.Model) -> list[tf.keras.layers.Layer]:
    """The model and all layers in it, at any depth."""
    return list(model._flatten_layers())


def name_of(variable: tf.Variable) -> str:
    """A name that tells a model's variables apart: its path, since Keras 3's names repeat."""
    return getattr(variable, "path", variable.name)


def as_tensorflow(variable: tf.Variable) -> tf.Variable:
    """The variable of TensorFlow that a variable of Keras 3 holds; another one itself."""
    return variable if isinstance(variable, tf.Variable) else variable.value
