"""Which Keras `tf.keras` is, and with it whether tf-models-official can be used.

tf-models-official runs on Keras 2. Where it is installed, `tf.keras` becomes `tf_keras`, unless
TensorFlow was imported earlier, or the environment variable TF_USE_LEGACY_KERAS is set: TensorFlow
chooses when it is imported. All else, which is all but detection and GANs, runs on Keras 3 too.
"""

import importlib.util
import os
import sys

from trainers.errors import TrainersError

_VARIABLE = "TF_USE_LEGACY_KERAS"


def choose() -> None:
    """Selects `tf_keras` where it and tf-models-official are installed, and the choice is open.

    Processes that this one starts inherit the choice, Keras 3 too if TensorFlow has chosen it.
    """
    if "tensorflow" in sys.modules:
        if not is_keras_2():
            os.environ[_VARIABLE] = "0"
    elif _installed("tf_keras") and _installed("official"):
        os.environ.setdefault(_VARIABLE, "1")


def is_keras_2() -> bool:
    """Whether `tf.keras` is Keras 2. Imports TensorFlow, which then has chosen."""
    import tensorflow as tf

    return not hasattr(tf.keras, "version")  # a function of Keras 3 alone


def has_official() -> bool:
    """Whether tf-models-official can be used."""
    return _installed("official") and is_keras_2()


def require_official(what: str) -> None:
    """Raises TrainersError where tf-models-official, which `what` needs, cannot be used."""
    if not _installed("official"):
        raise TrainersError(f"{what} needs tf-models-official, which is not installed")
    if not is_keras_2():
        raise TrainersError(
            f"{what} needs tf-models-official, which runs on Keras 2, and TensorFlow was imported "
            "with Keras 3: import `trainers` (or `search`) before tensorflow, or set the "
            f"environment variable {_VARIABLE}=1"
        )


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
