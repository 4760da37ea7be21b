"""`Gan`: both networks, and the generator with averaged weights."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from evonorm_tf.factory import NormAct
from trainers.gan.config import GanModelConfig
from trainers.gan.discriminator import discriminator
from trainers.gan.generator import generator


class Gan(tf.keras.Model):
    """A generator, a discriminator, and a copy of the generator with averaged weights.

    Called with (noise, labels) it returns images of the averaged generator.

    Args:
      config: configuration of the networks.
      norm_act: norm-act layer of the generator.
      norm_act_args: constructor arguments of the layer.
    """

    def __init__(self, config: GanModelConfig, norm_act: NormAct, norm_act_args: dict[str, Any]):
        """Builds the networks; the average starts at the generator's weights."""
        super().__init__(name="gan")
        resolution, _, channels = config.input_size
        common: dict[str, Any] = {
            "num_classes": config.num_classes,
            "image_channels": channels,
            "width": config.width,
            "attention": config.attention,
        }
        build_generator = functools.partial(
            generator,
            resolution,
            norm_act,
            norm_act_args,
            noise_size=config.noise_size,
            embedding_size=config.embedding_size,
            **common,
        )
        self.generator = build_generator()
        self.discriminator = discriminator(resolution, **common)
        with tf.variable_creator_scope(_assignable_in_replicas):
            self.averaged = build_generator(name="averaged_generator")
        self.averaged.set_weights(self.generator.get_weights())

    def call(self, inputs: list[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Images of the averaged generator, from (noise, labels)."""
        return self.averaged(inputs, training=training)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """Those of generator and discriminator, which are trained."""
        return self.generator.trainable_weights + self.discriminator.trainable_weights

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        """Those of generator and discriminator, and all of the averaged generator."""
        others = (self.generator, self.discriminator)
        return [w for model in others for w in model.non_trainable_weights] + self.averaged.weights

    def update_average(self, decay: tf.Tensor) -> None:
        """Moves the average: average <- decay * average + (1 - decay) * weight.

        Variables that are not trained are copied.
        """
        pairs = zip(self.averaged.trainable_weights, self.generator.trainable_weights, strict=True)
        for average, weight in pairs:
            average.assign(average - (average - weight) * (1.0 - decay))
        pairs = zip(
            self.averaged.non_trainable_weights, self.generator.non_trainable_weights, strict=True
        )
        for average, weight in pairs:
            average.assign(tf.convert_to_tensor(weight))


def _assignable_in_replicas(create: Callable[..., tf.Variable], **kwargs: Any) -> tf.Variable:
    """Creates variables with the first replica's value, since all replicas compute the same."""
    if kwargs.get("aggregation", tf.VariableAggregation.NONE) == tf.VariableAggregation.NONE:
        kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return create(**kwargs)
