"""The layers are imported, and so registered with Keras, as soon as Keras can be used.

The package itself imports without TensorFlow, whose import takes seconds. Models must load
without `custom_objects` all the same, whichever of the two is imported first.

An import of TensorFlow imports Keras on its way, one of Keras imports TensorFlow, and a module
of this package may be what asks for them. So no single import tells that everything is there:
the layers have to wait until no import of all these is still under way.
"""

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

import wrapt

_LAYERS = "evonorm_tf.layers"
_TENSORFLOW = "tensorflow"
# `tf.keras` is either.
_KERAS = ("keras", "tf_keras")


def follow_keras(own_modules: Iterable[str]) -> None:
    """Imports the layers once TensorFlow is imported, at once if it is already.

    Args:
      own_modules: full names of the modules of this package.
    """
    followed = (_TENSORFLOW, *_KERAS, *own_modules)
    finished: set[str] = set()

    def imported(module: ModuleType) -> None:
        finished.add(module.__name__)
        under_way = [name for name in followed if name in sys.modules and name not in finished]
        if _TENSORFLOW in finished and not under_way:
            importlib.import_module(_LAYERS)

    for name in followed:
        wrapt.register_post_import_hook(imported, name)


def all_modules(package: str, path: Iterable[str]) -> Iterator[str]:
    """Full names of all modules in a package and its subpackages, which it does not import."""
    for module in pkgutil.iter_modules(path):
        name = f"{package}.{module.name}"
        yield name
        if module.ispkg:
            yield from all_modules(name, [os.path.join(folder, module.name) for folder in path])
