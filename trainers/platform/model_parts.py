"""Layers and names of variables of a model, for Keras 2 and Keras 3."""

import tensorflow as tf


def layers_within(model: tf.keras.Model) -> list[tf.keras.layers.Layer]:
    """The model and all layers in it, at any depth."""
    return list(model._flatten_layers())


def name_of(variable: tf.Variable) -> str:
    """A name that tells a model's variables apart: its path, since Keras 3's names repeat."""
    return getattr(variable, "path", variable.name)
