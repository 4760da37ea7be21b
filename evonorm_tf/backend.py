"""Which Keras the layers use, and on which backend.

Layers are built for `tf.keras` where its backend is TensorFlow, and for `keras` on every other
backend, where TensorFlow is not imported.
"""

import importlib
import os
from typing import Any


def name() -> str:
    """The backend of Keras: "tensorflow", "jax" or "torch"; "tensorflow" for Keras 2.

    Like TensorFlow, it takes TF_USE_LEGACY_KERAS=1 for a choice of Keras 2, whatever
    KERAS_BACKEND says.
    """
    if os.environ.get("TF_USE_LEGACY_KERAS") in ("true", "True", "1"):
        return "tensorflow"
    return importlib.import_module("keras").backend.backend()


def keras() -> Any:
    """The module whose layers, initializers and the like this package uses."""
    if name() == "tensorflow":
        return importlib.import_module("tensorflow").keras
    return importlib.import_module("keras")


def check_is_tensorflow(user: str) -> None:
    """Checks the backend for what exists on TensorFlow alone.

    Args:
      user: what needs TensorFlow, as a user calls it.

    Raises:
      ImportError: on another backend.
    """
    if (found := name()) != "tensorflow":
        raise ImportError(
            f"`{user}` needs Keras with the backend TensorFlow. Received: the backend {found!r}"
        )
