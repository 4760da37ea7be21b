"""Imports the layers, which registers them with Keras, as soon as Keras is usable.

The package does not import TensorFlow or Keras, which takes seconds. Models must load without
`custom_objects` nevertheless, whichever of them is imported first.

TensorFlow imports Keras, Keras imports TensorFlow, and a module of this package can be the first
to import either. So the layers are imported when none of all these imports is in progress. With
another backend than TensorFlow, Keras alone suffices.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

import wrapt

from evonorm_tf import backend

_LAYERS = "evonorm_tf.layers"
_TENSORFLOW = "tensorflow"
# `tf.keras` is one of these.
_KERAS = ("keras", "tf_keras")


def follow_keras(own_modules: Iterable[str]) -> None:
    """Imports the layers after Keras's backend, or immediately if that is already imported.

    Args:
      own_modules: full names of the modules of this package.
    """
    followed = (_TENSORFLOW, *_KERAS, *own_modules)
    finished: set[str] = set()

    def imported(module: ModuleType) -> None:
        finished.add(module.__name__)
        in_progress = [name for name in followed if sys.modules.get(name) and name not in finished]
        if not in_progress and (_TENSORFLOW in finished or _needs_no_tensorflow(finished)):
            importlib.import_module(_LAYERS)

    for name in followed:
        wrapt.register_post_import_hook(imported, name)


def _needs_no_tensorflow(finished: set[str]) -> bool:
    return "keras" in finished and backend.name() != "tensorflow"


def all_modules(package: str, path: Iterable[str]) -> Iterator[str]:
    """Full names of all modules in a package and its subpackages, which it does not import."""
    for module in pkgutil.iter_modules(path):
        name = f"{package}.{module.name}"
        yield name
        if module.ispkg:
            yield from all_modules(name, [os.path.join(folder, module.name) for folder in path])
