"""Two optimizers as one, as the engine holds one."""

import tensorflow as tf


class GanOptimizers(tf.Module):
    """The optimizers of both networks; a checkpoint of it has both.

    Args:
      generator, discriminator: each network's own.
    """

    def __init__(self, generator, discriminator):
        """Keeps both, so that a checkpoint finds them."""
        super().__init__(name="gan_optimizers")
        self.generator, self.discriminator = generator, discriminator

    @property
    def learning_rate(self):
        """The generator's, for the logs."""
        return self.generator.learning_rate

    @property
    def iterations(self):
        """Steps of the generator."""
        return self.generator.iterations
