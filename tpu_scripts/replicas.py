"""A distribution strategy that traces one replica of many, as a TPU runs it."""

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.python.distribute import one_device_strategy


class TracedReplicas(tf.distribute.Strategy):
    """Traces the program of one replica of `count`; nothing can be run with it.

    A reduction becomes XLA's all-reduce over all replicas, as under `TPUStrategy`: of the
    gradients, of statistics of synchronized layers, of whatever the step reduces.
    """

    def __init__(self, count: int):
        super().__init__(_Extended(self, count))


class _Extended(one_device_strategy.OneDeviceExtended):
    """One device with many replicas' arithmetic."""

    def __init__(self, strategy: TracedReplicas, count: int):
        super().__init__(strategy, "/cpu:0")
        self._count = count

    @property
    def _num_replicas_in_sync(self) -> int:
        return self._count

    def _reduce_to(self, reduce_op, value, destinations, options):
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
