"""The differences between the Keras generations behind `tf.keras`, in one place.

`tf.keras` is Keras 2 (TensorFlow 2.15), `tf_keras` (TF_USE_LEGACY_KERAS=1) or Keras 3.
"""

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# `tf.keras.version` is a function of Keras 3 alone.
IS_KERAS_3 = hasattr(tf.keras, "version")

PACKAGE = "evonorm_tf"

_state = threading.local()


def serializable(cls):
    """Registers a layer class, so that loading a model needs no `custom_objects`."""
    return tf.keras.utils.register_keras_serializable(package=PACKAGE)(cls)


def add_float32_weight(layer: Any, name: str, shape: tuple[int, ...], **kwargs: Any) -> Any:
    """`layer.add_weight` for a weight that stays float32 under any dtype policy."""
    autocast = "autocast" if IS_KERAS_3 else "experimental_autocast"
    return layer.add_weight(name=name, shape=shape, dtype="float32", **{autocast: False}, **kwargs)


def add_moving_statistic(layer: Any, name: str, shape: tuple[int, ...], initializer: str) -> Any:
    """A non-trainable float32 weight whose copies on several replicas are averaged.

    Keras 2 keeps a copy per replica and averages when the weight is read outside the
    replicas; Keras 3 averages at each assignment. The weight reads the same either way.
    """
    if IS_KERAS_3:
        merging = {"aggregation": "mean"}
    else:
        merging = {
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.MEAN,
        }
    return add_float32_weight(
        layer, name, shape, initializer=initializer, trainable=False, **merging
    )


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
    from tensorflow.compiler.tf2xla.python import xla

    return xla.optimization_barrier(*tensors)
