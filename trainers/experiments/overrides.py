"""Checks the keys of --config_file and --params_override without TensorFlow.

It compares the keys with the tree of an experiment's keys, and does not check values.
"""

import difflib
from collections.abc import Iterable
from typing import Any, Union

from trainers.platform.settings import read, unusable

# The keys of a configuration, each with the keys below it; None where any key may be set.
Tree = dict[str, Union["Tree", None]]


def check(sources: Iterable[str | dict[str, Any]], tree: Tree | None) -> None:
    """Checks the keys of settings that are applied one after another.

    Args:
      sources: texts as the flags take them, and settings.
      tree: the keys that exist; None to leave keys unchecked. It is changed.

    Raises:
      TrainersError: for a key that does not exist, and a text or file that cannot be read.
    """
    for source in sources:
        settings = read(source) if isinstance(source, str) else source
        if settings is None:
            return  # its settings are unknown, and so are the keys after they are applied
        if tree is not None:
            _apply(settings, tree, "")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A sentence that names the closest of the names, if one is close."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _apply(settings: dict[str, Any], tree: Tree, path: str) -> None:
    for key, value in settings.items():
        if key not in tree:
            raise unusable(_unknown(key, tree, path))
        below = tree[key]
        if below is not None and isinstance(value, dict):
            _apply(value, below, f"{path}{key}.")
        else:  # a value that replaces settings, such as null: any keys may follow below it
            tree[key] = None


def _unknown(key: Any, tree: Tree, path: str) -> str:
    place = f"`{path[:-1]}`" if path else "the experiment"
    return (
        f"{place} has no key {key!r}.{did_you_mean(str(key), tree)} "
        f"Its keys are {', '.join(sorted(tree))}."
    )
