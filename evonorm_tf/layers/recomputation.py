"""Layers' outputs once more, in a backward pass: moving averages stay as they are."""

import contextlib
import threading
from collections.abc import Iterator

_state = threading.local()


def is_active() -> bool:
    """Whether an output is being recomputed."""
    return getattr(_state, "active", False)


@contextlib.contextmanager
def active() -> Iterator[None]:
    """Calls of layers inside move no averages: the forward pass has moved them."""
    outer, _state.active = is_active(), True
    try:
        yield
    finally:
        _state.active = outer
