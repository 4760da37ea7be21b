"""What only private modules of TensorFlow offer, for the programs of XLA."""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla as xla_operations
from tensorflow.python.saved_model import save_context


def is_saving() -> bool:
    """Whether a SavedModel is being traced, which may be loaded where XLA is missing."""
    return save_context.in_save_context()


def in_xla() -> bool:
    """Whether XLA compiles the whole graph that is being traced."""
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False


def optimization_barrier(tensors: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
    """The same tensors; XLA does not optimize across the barrier."""
    return xla_operations.optimization_barrier(*tensors)
