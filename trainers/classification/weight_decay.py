"""Weight decay of all variables except those of norm-act layers, as in the authors' code."""

import tensorflow as tf

from evonorm_tf.layers import NormAct
from trainers.platform import model_parts


def decayed_variables(model: tf.keras.Model) -> list[tf.Variable]:
    """Trainable variables that belong to no norm-act layer.

    Biases are decayed, as in the authors' code. Variables are chosen by the class of their
    layer and not by name, so that the kernel of a convolution called "evonorm" is decayed.
    """
    not_decayed = {
        id(variable)
        for layer in model_parts.layers_within(model, NormAct)
        for variable in layer.trainable_variables
    }
    return [variable for variable in model.trainable_variables if id(variable) not in not_decayed]


def penalty(variables: list[tf.Variable], weight_decay: float) -> tf.Tensor:
    """weight_decay * sum of squares / 2; 0 without variables or decay."""
    if not weight_decay or not variables:
        return tf.constant(0.0)
    return weight_decay * tf.add_n([tf.nn.l2_loss(tf.cast(v, tf.float32)) for v in variables])
