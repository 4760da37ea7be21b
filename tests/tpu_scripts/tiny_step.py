"""A small residual network's training step, with any layer."""

import tensorflow as tf

from evonorm_tf import norm_act_factory
from tpu_scripts import training_step
from trainers.classification.task import ClassificationTask

BATCH = 8


class TinyTask(ClassificationTask):
    """One residual block of 16 channels on images of 8x8 pixels, of sizes unknown to it."""

    def __init__(self, params, norm_act, arguments):
        super().__init__(params)
        self.norm_act, self.arguments = norm_act, arguments

    def build_model(self):
        make = norm_act_factory(self.norm_act, **self.arguments)
        images = tf.keras.Input((None, None, 3))
        x = tf.keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(images)
        x = make()(x)
        branch = tf.keras.layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
        branch = make(nonlinearity=False)(branch)
        x = tf.keras.layers.Add()([x, branch])
        x = tf.keras.layers.GlobalAveragePooling2D()(x)
        return tf.keras.Model(images, tf.keras.layers.Dense(10, dtype="float32")(x))


def lower(layer, replicas=1, **arguments):
    """The step with a layer, name or callable, whose constructor gets the arguments."""
    params = training_step.configure("resnet50", "evonorm_s0", image_size=8)
    task = TinyTask(params.task, layer, arguments)
    return training_step.lower(params, BATCH, replicas, task)
