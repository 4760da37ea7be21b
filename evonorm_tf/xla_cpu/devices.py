"""What XLA compiles for here, and whether it does."""

import contextlib
import threading
from collections.abc import Sequence

import tensorflow as tf

# TensorFlow has no public name for it.
from tensorflow.python.saved_model import save_context

_state = threading.local()


def only_cpus() -> bool:
    """Whether there is neither a GPU nor a TPU, nor one traced for."""
    if getattr(_state, "for_accelerator", False):
        return False
    return not any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))


@contextlib.contextmanager
def for_accelerator():
    """Within it layers are traced as on an accelerator, for compiling without one."""
    _state.for_accelerator = True
    try:
        yield
    finally:
        _state.for_accelerator = False


def is_saving() -> bool:
    """Whether what is being traced goes into a SavedModel, which may be loaded without XLA."""
    return save_context.in_save_context()


def in_xla() -> bool:
    """Whether XLA compiles what is being traced, as a whole."""
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
    """The tensors, of which XLA does not see what they are made of."""
    # TensorFlow has no public name for it.
    from tensorflow.compiler.tf2xla.python import xla as operations

    return operations.optimization_barrier(*tensors)
