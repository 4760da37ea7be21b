"""Layers and names of variables of a model, for Keras 2 and Keras 3."""

from typing import Any

import tensorflow as tf


def layers_within(
    model: tf.keras.Model, kind: Any = tf.keras.layers.Layer
) -> list[tf.keras.layers.Layer]:
    """The model and the layers in it, at any depth, that are of a class, or of one of several."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def name_of(variable: tf.Variable) -> str:
    """A name that tells a model's variables apart: its path, since Keras 3's names repeat."""
    return getattr(variable, "path", variable.name)
