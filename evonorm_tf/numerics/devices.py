"""Which kinds of devices layers are traced for."""

import contextlib
import threading

import tensorflow as tf

_state = threading.local()


def only_cpus() -> bool:
    """Whether layers are traced for CPUs: no GPU or TPU exists, nor is `for_accelerator` active."""
    if getattr(_state, "for_accelerator", False):
        return False
    return not any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))


@contextlib.contextmanager
def for_accelerator():
    """Traces layers as on an accelerator, to compile for one that is not present."""
    _state.for_accelerator = True
    try:
        yield
    finally:
        _state.for_accelerator = False
