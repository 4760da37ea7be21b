"""The end of a training step: scaled loss in, gradients applied if all is finite."""

import tensorflow as tf
from official.modeling import optimization


def scaled(loss: tf.Tensor, optimizer) -> tf.Tensor:
    """What to take gradients of: the replica's share of the loss, times the loss scale."""
    # The optimizer adds up the replicas' gradients.
    share = loss / tf.distribute.get_strategy().num_replicas_in_sync
    if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
        return optimizer.get_scaled_loss(share)
    return share


def make_variables(optimizer, variables) -> None:
    """Makes the optimizer's own variables before the first step.

    A tf.function in which variables are made is traced twice. Wrappers (of a loss scale, of
    averaged weights) make theirs in the first trace all the same.
    """
    make = getattr(optimizer, "_create_all_weights", None) or getattr(optimizer, "build", None)
    wrappers = (tf.keras.mixed_precision.LossScaleOptimizer, optimization.ExponentialMovingAverage)
    if make is not None and not isinstance(optimizer, wrappers):
        make(variables)


def apply_if_finite(gradients, variables, optimizer, loss: tf.Tensor) -> tf.Tensor:
    """Applies the gradients of a `scaled` loss; as zeros if one is not finite anywhere.

    Args:
      gradients: with None where a variable has none.
      variables: in the gradients' order.
      optimizer: which may scale losses.
      loss: of this replica.

    Returns:
      Whether loss and gradients are finite on all replicas, a boolean scalar.
    """
    if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
        # It skips steps with infinite gradients itself, and lowers its scale.
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


def _kept_if(finite: tf.Tensor, gradient):
    return None if gradient is None else tf.where(finite, gradient, tf.zeros_like(gradient))
