"""Turns the arrays and functions of a Python program into sources that workers can read.

Workers are other processes. They import a function by its name; one of a notebook or a script has
no name that they could import, so it gets a package of its own in a temporary folder. That package
unpickles the function, ends with this process, and is never part of a run folder.
"""

import copy
import functools
import hashlib
import inspect
import io
import pathlib
import sys
import tempfile
import types
from collections.abc import Sequence
from typing import Any

import cloudpickle
import numpy as np

from search.errors import SearchError
from trainers.data.arrays import NAMES
from trainers.errors import reason

_PREFIX = "given_"
_DIGITS = 8
_MODULE = '''"""A function of the program that started a search; SHA-256: {digest}."""

import pathlib

import cloudpickle

_PICKLE = pathlib.Path(__file__).with_name("function.pickle")
{name} = cloudpickle.loads(_PICKLE.read_bytes())
'''
# Where cloudpickle keeps the submodules that this process has imported; another may differ.
_SUBMODULES = "_cloudpickle_submodules"


def named(value: Any) -> Any:
    """The value with a `module:function` in place of each function in it.

    Raises:
      SearchError: for a function that cannot be sent to workers, and for another callable.
    """
    if isinstance(value, dict):
        return {key: named(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [named(each) for each in value]
    return name_of(value) if callable(value) else value


def name_of(function: Any) -> str:
    """The name `module:function` under which workers can import a function.

    The name of a function of a notebook has the SHA-256 of its code, of what it refers to there,
    and of its default values.

    Raises:
      SearchError: for anything but a function, and for one that cannot be pickled.
    """
    if not inspect.isfunction(function):
        raise SearchError(f"it must be a function, or module:function. Received: {function!r}")
    module, name = function.__module__, function.__qualname__
    imported = sys.modules.get(module)
    if module != "__main__" and getattr(imported, name, None) is function:
        return f"{module}:{name}"
    return _packaged(function)


def write_arrays(data: Sequence[Any], path: pathlib.Path) -> None:
    """Writes arrays as an .npz file, which `evaluation.data` takes.

    Args:
      data: (x_train, y_train) or (x_train, y_train, x_test, y_test).
      path: the file.

    Raises:
      SearchError: for another number of arrays, and for values that are no arrays of numbers.
    """
    if len(data) not in (2, len(NAMES)):
        raise SearchError(
            f"data must be (x_train, y_train) or (x_train, y_train, x_test, y_test). Received: a "
            f"{type(data).__name__} of {len(data)}"
        )
    arrays: dict[str, Any] = {
        name: _array(name, value) for name, value in zip(NAMES, data, strict=False)
    }
    try:
        np.savez(path, **arrays)
    except OSError as error:
        raise SearchError(f"cannot write the arrays to {path}: {error.strerror}") from None


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except Exception as error:
        raise SearchError(f"data: {name} is no array: {reason(error)}") from None
    if array.dtype.hasobject:
        raise SearchError(f"data: {name} must be numbers. Received: {array.dtype}")
    return array


def _packaged(function: types.FunctionType) -> str:
    name = function.__name__ if function.__name__.isidentifier() else "function"
    try:
        digest = _digest(function)
        pickled = cloudpickle.dumps(function)
    except Exception as error:
        raise SearchError(
            f"the function {name} cannot be sent to workers: {reason(error)}. Put it into a module "
            f"of its own, and import it from there"
        ) from error
    module = _PREFIX + digest[:_DIGITS]
    folder = _folder() / module
    folder.mkdir(exist_ok=True)
    (folder / "function.pickle").write_bytes(pickled)
    (folder / "__init__.py").write_text(_MODULE.format(digest=digest, name=name), encoding="utf-8")
    return f"{module}:{name}"


@functools.cache
def _folder() -> pathlib.Path:
    """A folder that lasts as long as this process, and that its workers look into."""
    # The registry of finalizers keeps it alive, and removes it when the process ends.
    _folder.kept = tempfile.TemporaryDirectory(prefix=_PREFIX)  # type: ignore[attr-defined]
    sys.path.append(_folder.kept.name)  # type: ignore[attr-defined]
    return pathlib.Path(_folder.kept.name)  # type: ignore[attr-defined]


def _digest(function: types.FunctionType) -> str:
    buffer = io.BytesIO()
    _Canonical(buffer).dump(function)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


class _Canonical(cloudpickle.Pickler):
    """Writes the same bytes in each session of a notebook, in which only names of files differ."""

    def reducer_override(self, value: Any) -> Any:
        """Drops the file's name from code, and from a function what this process has imported."""
        if isinstance(value, types.CodeType) and value.co_filename:
            # Unpickling calls deepcopy, which returns code as it is. Without a file's name, this
            # branch is not taken again, so the replaced code is pickled below.
            return copy.deepcopy, (value.replace(co_filename="", co_firstlineno=1),)
        reduced = super().reducer_override(value)
        if isinstance(value, types.FunctionType) and isinstance(reduced, tuple):
            _, slots = reduced[2]
            slots[_SUBMODULES] = []
        return reduced
