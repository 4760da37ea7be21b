"""Saves functions of a trained model for serving."""

import tensorflow as tf


def save(
    path: str,
    model: tf.keras.Model,
    signatures: dict[str, tf.types.experimental.ConcreteFunction],
) -> None:
    """Writes a SavedModel of nothing but signatures and the weights that they read.

    With the model itself Keras would trace every layer's training too, for minutes.

    Args:
      path: the folder to write.
      model: whose weights the signatures read.
      signatures: concrete functions, by their names in the SavedModel.
    """
    saved = tf.Module()
    saved.weights = model.variables
    tf.saved_model.save(saved, path, signatures=signatures)
