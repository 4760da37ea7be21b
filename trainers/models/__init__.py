"""Networks that take any normalization-activation layer (paper sections 4 and 5).

They need TensorFlow but the command lines of this folder do not, so each network is imported
at its first use.
"""

import importlib
import sys
import types
from typing import Any

__all__ = ["efficientnet", "mnasnet", "mobilenet_v2", "resnet"]


class _Networks(types.ModuleType):
    """This package. Each function has a module of the same name, which it hides."""

    def __getattr__(self, name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        importlib.import_module(f"{__name__}.{name}")
        return self.__dict__[name]

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system sets each module as an attribute once it is imported.
        if name in __all__ and isinstance(value, types.ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Networks
