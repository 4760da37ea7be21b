"""What holds on all replicas."""

import tensorflow as tf


def all_replicas(condition: tf.Tensor) -> tf.Tensor:
    """Whether a condition holds on all replicas; to be called within one."""
    context = tf.distribute.get_replica_context()
    failed = tf.cast(tf.logical_not(condition), tf.float32)
    if context is not None and context.num_replicas_in_sync > 1:
        failed = context.all_reduce(tf.distribute.ReduceOp.SUM, failed)
    return tf.equal(failed, 0.0)
