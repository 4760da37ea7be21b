"""`Gan`: both networks, and the generator with averaged weights."""

from typing import Any

import tensorflow as tf

from evonorm_tf.factory import NormAct
from trainers.gan.config import GanModelConfig
from trainers.gan.discriminator import discriminator
from trainers.gan.generator import generator


class Gan(tf.keras.Model):
    """A generator, a discriminator and the generator's moving average, which has its own weights.

    Called with (noise, labels) it returns images of the averaged generator.

    Args:
      config: of the networks.
      norm_act: the generator's layer.
      norm_act_args: its arguments.
    """

    def __init__(self, config: GanModelConfig, norm_act: NormAct, norm_act_args: dict[str, Any]):
        super().__init__(name="gan")
        resolution, _, channels = config.input_size
        common = {
            "num_classes": config.num_classes,
            "image_channels": channels,
            "width": config.width,
            "attention": config.attention,
        }
        sizes = {"noise_size": config.noise_size, "embedding_size": config.embedding_size}
        arguments = (resolution, norm_act, norm_act_args)
        self.generator = generator(*arguments, **common, **sizes)
        self.discriminator = discriminator(resolution, **common)
        with tf.variable_creator_scope(_assignable_in_replicas):
            self.averaged = generator(*arguments, **common, **sizes, name="averaged_generator")
        self.averaged.set_weights(self.generator.get_weights())

    def call(self, inputs, training=None):
        return self.averaged(inputs, training=training)

    @property
    def trainable_weights(self):
        """Those of generator and discriminator, which the gradient moves."""
        return self.generator.trainable_weights + self.discriminator.trainable_weights

    @property
    def non_trainable_weights(self):
        """The others of these two, and all of the averaged generator."""
        others = (self.generator, self.discriminator)
        return [w for model in others for w in model.non_trainable_weights] + self.averaged.weights

    def update_average(self, decay: tf.Tensor) -> None:
        """average <- decay * average + (1 - decay) * weight; other variables are copied."""
        pairs = zip(self.averaged.trainable_weights, self.generator.trainable_weights, strict=True)
        for average, weight in pairs:
            average.assign(average - (average - weight) * (1.0 - decay))
        pairs = zip(
            self.averaged.non_trainable_weights, self.generator.non_trainable_weights, strict=True
        )
        for average, weight in pairs:
            average.assign(tf.convert_to_tensor(weight))


def _assignable_in_replicas(create, **kwargs):
    """Replicas compute equal averages, so the first one's is everyone's."""
    if kwargs.get("aggregation", tf.VariableAggregation.NONE) == tf.VariableAggregation.NONE:
        kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return create(**kwargs)
