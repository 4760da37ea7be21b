"""The end of a training step: the loss is scaled, and finite gradients are applied."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainers.platform import optimizers
from trainers.platform.replicas import all_replicas


def scaled(loss: tf.Tensor, optimizer: Any) -> tf.Tensor:
    """The replica's share of the loss times the loss scale, to be differentiated."""
    # The optimizer sums the gradients of all replicas.
    share = loss / tf.distribute.get_strategy().num_replicas_in_sync
    return optimizers.scaled_loss(share, optimizer)


def apply_if_finite(
    gradients: Sequence[tf.Tensor | None],
    variables: Sequence[tf.Variable],
    optimizer: Any,
    loss: tf.Tensor,
) -> tf.Tensor:
    """Applies the gradients of a `scaled` loss, or zeros if a value is not finite on any replica.

    Args:
      gradients: of the scaled loss; None where a variable has none.
      variables: the trained variables, in the order of the gradients.
      optimizer: the optimizer; it may scale losses.
      loss: the loss of this replica, not scaled.

    Returns:
      Whether loss and gradients are finite on all replicas, a boolean scalar.
    """
    if isinstance(optimizer, optimizers.LossScaleOptimizer):
        # This optimizer itself skips a step with infinite gradients, and lowers its scale.
        optimizers.apply_scaled(optimizer, gradients, variables)
        return all_replicas(tf.math.is_finite(loss))
    norm = tf.linalg.global_norm([g for g in gradients if g is not None])
    finite = all_replicas(tf.math.is_finite(loss + norm))
    gradients = [_kept_if(finite, gradient) for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return finite


def _kept_if(finite: tf.Tensor, gradient: tf.Tensor | None) -> tf.Tensor | None:
    return None if gradient is None else tf.where(finite, gradient, tf.zeros_like(gradient))
