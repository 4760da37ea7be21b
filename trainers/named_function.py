"""Functions that a user names as `module:function`, in their own module.

The module is found as `python -m` finds it: in the current directory or among what is installed.
"""

import importlib
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import sys
import types
from typing import Any

from trainers.errors import TrainersError, reason

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_function_name(text: str) -> bool:
    """Whether the text has the form `module:function`."""
    return _NAME.fullmatch(text) is not None


def call(name: str, **arguments: Any) -> Any:
    """Imports the module and calls its function.

    Raises:
      TrainersError: in one line, if there is no such module or function, or if either raises.
    """
    module_name, _, function_name = name.partition(":")
    module = import_module(module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise TrainersError(
            f"it must name a function of the module {module_name}. Received: {function_name!r}, "
            f"which {getattr(module, '__file__', module_name)} does not have"
        )
    try:
        return function(**arguments)
    except (Exception, SystemExit) as error:
        raise TrainersError(f"calling {function_name} raised {_line(error)}") from error


def import_module(module_name: str) -> types.ModuleType:
    """Imports a module. Raises TrainersError, in one line, if that raises."""
    try:
        _look_into_the_current_directory()
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise TrainersError(f"importing {module_name} raised {_line(error)}") from error


def source_file(name: str) -> pathlib.Path:
    """The file of the module. Raises TrainersError if there is none."""
    module_name = name.partition(":")[0]
    origin = _spec(module_name).origin
    if origin is None or not os.path.isfile(origin):
        raise TrainersError(f"the module {module_name} must be a file. Received: {origin}")
    return pathlib.Path(origin)


def root_of(name: str) -> str:
    """The folder of the module's outermost package, or the module's file if it is in none."""
    outermost = _spec(name.partition(":")[0].partition(".")[0])
    folders = list(outermost.submodule_search_locations or ())
    return folders[0] if folders else str(outermost.origin)


def _spec(module_name: str) -> importlib.machinery.ModuleSpec:
    _look_into_the_current_directory()
    try:
        spec = importlib.util.find_spec(module_name)  # imports the packages around the module
    except (Exception, SystemExit) as error:
        raise TrainersError(f"finding {module_name} raised {_line(error)}") from error
    if spec is None:
        raise TrainersError(f"there is no module {module_name}")
    return spec


def _look_into_the_current_directory() -> None:
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _line(error: BaseException) -> str:
    text = reason(error) if isinstance(error, Exception) else str(error)
    return f"{type(error).__name__}: {text}"
