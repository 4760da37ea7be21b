"""A distribution strategy that traces one replica of many, as a TPU runs it."""

from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.distribute import one_device_strategy


class TracedReplicas(tf.distribute.Strategy):
    """Traces the program of one of `count` replicas; it cannot run anything.

    As under `TPUStrategy`, each reduction becomes XLA's all-reduce over all replicas: that of the
    gradients, of the statistics of synchronized layers, and any other in the step.
    """

    def __init__(self, count: int):
        super().__init__(_Extended(self, count))


class _Extended(one_device_strategy.OneDeviceExtended):
    """One device that reduces as `count` replicas do."""

    def __init__(self, strategy: TracedReplicas, count: int):
        super().__init__(strategy, "/cpu:0")
        self._count = count

    @property
    def _num_replicas_in_sync(self) -> int:
        return self._count

    def _reduce_to(
        self, reduce_op: tf.distribute.ReduceOp, value: Any, destinations: Any, options: Any
    ) -> Any:
        del destinations, options
        if self._count == 1:
            return value
        total = gen_xla_ops.xla_all_reduce(
            value,
            group_assignment=tf.constant([list(range(self._count))]),
            reduce_op="Add",
            mode="CrossReplica",
        )
        return total / self._count if reduce_op == tf.distribute.ReduceOp.MEAN else total
