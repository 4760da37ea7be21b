"""The end of a training step: the loss is scaled, and finite gradients are applied."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from official.modeling import optimization


def scaled(loss: tf.Tensor, optimizer: Any) -> tf.Tensor:
    """The replica's share of the loss times the loss scale, to be differentiated."""
    # The optimizer sums the gradients of all replicas.
    share = loss / tf.distribute.get_strategy().num_replicas_in_sync
    if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
        return optimizer.get_scaled_loss(share)
    return share


def make_variables(optimizer: Any, variables: Sequence[tf.Variable]) -> None:
    """Creates the optimizer's own variables before the first step.

    A tf.function that creates variables is traced twice. Wrappers (of a loss scale, of averaged
    weights) still create theirs in the first trace.
    """
    make = getattr(optimizer, "_create_all_weights", None) or getattr(optimizer, "build", None)
    wrappers = (tf.keras.mixed_precision.LossScaleOptimizer, optimization.ExponentialMovingAverage)
    if make is not None and not isinstance(optimizer, wrappers):
        make(variables)


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
    if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
        # This optimizer itself skips a step with infinite gradients, and lowers its scale.
        gradients = optimizer.get_unscaled_gradients(gradients)
        finite = all_replicas(tf.math.is_finite(loss))
    else:
        norm = tf.linalg.global_norm([g for g in gradients if g is not None])
        finite = all_replicas(tf.math.is_finite(loss + norm))
        gradients = [_kept_if(finite, gradient) for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return finite


def all_replicas(condition: tf.Tensor) -> tf.Tensor:
    """Whether a condition holds on all replicas; to be called within one."""
    context = tf.distribute.get_replica_context()
    failed = tf.cast(tf.logical_not(condition), tf.float32)
    if context is not None and context.num_replicas_in_sync > 1:
        failed = context.all_reduce(tf.distribute.ReduceOp.SUM, failed)
    return tf.equal(failed, 0.0)


def _kept_if(finite: tf.Tensor, gradient: tf.Tensor | None) -> tf.Tensor | None:
    return None if gradient is None else tf.where(finite, gradient, tf.zeros_like(gradient))
