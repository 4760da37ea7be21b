"""Keras 3's loss scale, made to agree on all replicas."""

from collections.abc import Sequence

import tensorflow as tf

from trainers.platform.replicas import all_replicas


class LossScaleOptimizer(tf.keras.mixed_precision.LossScaleOptimizer):
    """Skips a step, and halves the scale, if a gradient is not finite on any replica.

    Keras looks at one replica, whose gradients it takes for the sum of all.
    """

    def check_finite(self, grads: Sequence[tf.Tensor]) -> tf.Tensor:
        """Whether the gradients of all replicas are finite."""
        return all_replicas(super().check_finite(grads))
