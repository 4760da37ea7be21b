"""Which kinds of devices layers are traced for."""

import contextlib
import threading
from collections.abc import Iterator

import tensorflow as tf

_state = threading.local()


def accelerator() -> str | None:
    """The kind that layers are traced for, "TPU" or "GPU"; None for CPUs alone.

    It is that of `for_accelerator`, and otherwise that of the devices which exist.
    """
    chosen = getattr(_state, "accelerator", None)
    kinds = (kind for kind in ("TPU", "GPU") if tf.config.list_logical_devices(kind))
    return chosen or next(kinds, None)


def xla_compiles_for_gpus() -> bool:
    """Whether layers are traced for GPUs that XLA knows: NVIDIA's or AMD's, not a plugin's."""
    is_chosen = getattr(_state, "accelerator", None) is not None
    return accelerator() == "GPU" and (is_chosen or tf.test.is_built_with_gpu_support())


@contextlib.contextmanager
def for_accelerator(kind: str) -> Iterator[None]:
    """Traces layers as on a "TPU" or "GPU", to compile for one that is not present."""
    outer, _state.accelerator = getattr(_state, "accelerator", None), kind
    try:
        yield
    finally:
        _state.accelerator = outer
