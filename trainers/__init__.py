"""Models, data, the training engine and its tasks; run from a checkout.

tf-models-official runs on Keras 2, so importing this package makes `tf.keras` be `tf_keras`
where TensorFlow comes with Keras 3. It must be imported before TensorFlow chooses.
"""

import importlib.metadata
import importlib.util
import os
import sys

_FIRST_TENSORFLOW_WITH_KERAS_3 = (2, 16)
_REMEDY = (
    "import `trainers` (or `search`) before tensorflow, or set the environment variable "
    "TF_USE_LEGACY_KERAS=1"
)


def _use_keras_2() -> None:
    """Selects `tf_keras`, or raises ImportError where TensorFlow has Keras 3 already."""
    if "tensorflow" in sys.modules:
        if hasattr(sys.modules["tensorflow"].keras, "version"):  # a function of Keras 3 alone
            raise ImportError(f"tensorflow was imported earlier with Keras 3: {_REMEDY}")
        return
    if importlib.util.find_spec("tf_keras") is not None:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    elif _tensorflow_version() >= _FIRST_TENSORFLOW_WITH_KERAS_3:
        raise ImportError("this TensorFlow comes with Keras 3: install tf-keras of its version")


def _tensorflow_version() -> tuple[int, int]:
    for distribution in ("tensorflow", "tensorflow-cpu"):
        try:
            major, minor = importlib.metadata.version(distribution).split(".")[:2]
        except importlib.metadata.PackageNotFoundError:
            continue
        return int(major), int(minor)
    return (0, 0)  # another build: TensorFlow itself reports what is missing


_use_keras_2()
