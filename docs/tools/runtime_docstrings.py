"""Lets the API reference show what Python shows, where the source files alone do not show it.

mkdocstrings reads files. A layer's docstring gets its arguments when its class is made, and the
public names of `search` are imported when they are first used.
"""

import importlib
import re

import griffe

# Griffe does not know their section; a list keeps them from running into one paragraph.
_CALL_ARGUMENT = re.compile(r"^  (inputs|training|mask):", re.MULTILINE)


class RuntimeDocstrings(griffe.Extension):
    """Takes docstrings of layers from the classes, and finds public names imported lazily."""

    def on_class(self, *, cls, **_):
        """Called by Griffe with each class that it has read."""
        if any(str(decorator.value).endswith("public_layer") for decorator in cls.decorators):
            module = importlib.import_module(cls.module.path)
            text = _CALL_ARGUMENT.sub(r"  - `\1`:", getattr(module, cls.name).__doc__)
            cls.docstring = griffe.Docstring(text, parent=cls)

    def on_package(self, *, pkg, **_):
        """Called by Griffe with each package, when all of it has been read."""
        for name in pkg.exports or ():
            if name not in pkg.members:
                found = _defined_in(pkg, name)
                if found is None:
                    raise LookupError(f"no module of {pkg.path} defines {name}")
                pkg.set_member(name, griffe.Alias(name, found))


def _defined_in(package, name):
    """The function or class of that name in a package's modules and subpackages, or None."""
    for module in package.modules.values():
        found = module.members.get(name)
        if found is not None and not found.is_alias:
            return found
        if (found := _defined_in(module, name)) is not None:
            return found
    return None
