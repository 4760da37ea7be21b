"""Both optimizers in one object, since the engine has one optimizer."""

from typing import Any

import tensorflow as tf


class GanOptimizers(tf.Module):
    """The optimizers of both networks; its checkpoint has the variables of both.

    Args:
      generator: optimizer of the generator.
      discriminator: optimizer of the discriminator.
    """

    def __init__(self, generator: Any, discriminator: Any) -> None:
        """Keeps both, so that a checkpoint finds them."""
        super().__init__(name="gan_optimizers")
        self.generator, self.discriminator = generator, discriminator

    @property
    def learning_rate(self) -> Any:
        """The generator's, for the logs."""
        return self.generator.learning_rate

    @property
    def iterations(self) -> tf.Variable:
        """Steps of the generator."""
        return self.generator.iterations
