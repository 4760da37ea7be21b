"""The logistic function of all formulas, whose implementation a tracer can replace."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import tensorflow as tf

_state = threading.local()


def sigmoid(x: tf.Tensor) -> tf.Tensor:
    """1 / (1 + exp(-x)): `tf.sigmoid`, unless `replaced_by` is active."""
    return _implementation()(x)


@contextlib.contextmanager
def replaced_by(implementation: Callable[[tf.Tensor], tf.Tensor]) -> Iterator[None]:
    """Makes `sigmoid` call another implementation on this thread."""
    outer, _state.implementation = _implementation(), implementation
    try:
        yield
    finally:
        _state.implementation = outer


def _implementation() -> Callable[[tf.Tensor], tf.Tensor]:
    return getattr(_state, "implementation", tf.sigmoid)
