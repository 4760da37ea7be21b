"""Weight decay of all variables but those of the norm-act layers (authors' code)."""

import tensorflow as tf

from evonorm_tf.layers.base import NormAct


def decayed_variables(model: tf.keras.Model) -> list[tf.Variable]:
    """Trainable variables that belong to no norm-act layer.

    A layer's variables are known by identity: names play no part, so kernels of a layer
    called "evonorm" are decayed and renamed norm-act layers are not. Biases are decayed,
    as in the authors' code.
    """
    spared = {
        id(variable)
        for layer in model.submodules
        if isinstance(layer, NormAct)
        for variable in layer.trainable_variables
    }
    return [variable for variable in model.trainable_variables if id(variable) not in spared]


def penalty(variables: list[tf.Variable], weight_decay: float) -> tf.Tensor:
    """weight_decay * sum of squares / 2; 0 without variables or decay."""
    if not weight_decay or not variables:
        return tf.constant(0.0)
    return weight_decay * tf.add_n([tf.nn.l2_loss(tf.cast(v, tf.float32)) for v in variables])
