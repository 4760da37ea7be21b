"""Saves functions of a trained model for serving."""

import tensorflow as tf

from evonorm_tf import compat


def save(
    path: str,
    model: tf.keras.Model,
    signatures: dict[str, tf.types.experimental.ConcreteFunction],
) -> None:
    """Writes a SavedModel that has only the signatures and the weights that they read.

    Saving the model itself takes minutes, since Keras then traces the training of every layer.

    Args:
      path: the folder to write.
      model: the model that has the weights.
      signatures: concrete functions, by their names in the SavedModel.
    """
    saved = tf.Module()
    saved.weights = [compat.variable(variable) for variable in model.variables]
    tf.saved_model.save(saved, path, signatures=signatures)
