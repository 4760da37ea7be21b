"""Reads the settings of --config_file and --params_override, and checks their keys.

tf-models-official reads and applies them too, but needs TensorFlow for that. This module reads
the same text by the same rules, and compares keys with the tree of an experiment's keys. It
does not check values.
"""

import difflib
import pathlib
import re
from collections.abc import Iterable
from typing import Any, Union

import yaml

from trainers.errors import TrainersError

# The keys of a configuration, each with the keys below it; None where any key may be set.
Tree = dict[str, Union["Tree", None]]

# An element of tf-models-official's lists of NAME=VALUE; a name may have an index.
_SETTING = re.compile(
    r"""([a-zA-Z][\w.]*)(\[?[0-9]*\]?)\s*=\s*('.*?'|".*?"|[^,\[]*|\[[^\]]*\])(?:$|,\s*)"""
)


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


def read(text: str) -> dict[str, Any] | None:
    """The settings in a text: NAME=VALUE,... or YAML or the path of a YAML file.

    Returns:
      None where only TensorFlow can read it: remote files, and elements of lists by index.

    Raises:
      TrainersError: for invalid YAML, and a file that cannot be read.
    """
    try:
        as_yaml = _as_yaml(text)
        if as_yaml is None:
            return None
        settings = yaml.load(as_yaml, Loader=yaml.FullLoader)
        if isinstance(settings, dict) or not text:
            return settings or {}
        if "://" in text:
            return None
        settings = yaml.load(pathlib.Path(text).read_text("utf-8"), Loader=yaml.FullLoader)
    except OSError as error:
        raise unusable(f"{text}; {error.strerror}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise unusable(error) from error
    if not isinstance(settings, dict):
        raise unusable(f"{text} has no settings, which are lines of NAME: VALUE")
    return settings


def unusable(reason: object) -> TrainersError:
    """The error for settings that cannot be applied."""
    return TrainersError(f"the configuration cannot be used: {reason}")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A sentence that names the closest of the names, if one is close."""
    close = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _as_yaml(text: str) -> str | None:
    """A list of NAME=VALUE with dotted names as YAML; other text unchanged; None for indices."""
    entries: list[str] = []
    below: dict[str, list[str]] = {}
    position = 0
    while position < len(text):
        match = _SETTING.match(text, position)
        if match is None:
            return text
        position = match.end()
        name, index, value = match.groups()
        if index:
            return None
        if value.startswith(tuple("gs:/")):  # as tf-models-official quotes paths
            value = f"'{value}'"
        first, dot, rest = name.partition(".")
        if dot:
            below.setdefault(first, []).append(f"{rest}={value}")
        else:
            entries.append(f"{name} : {value}")
    nested = {name: _as_yaml(",".join(settings)) for name, settings in below.items()}
    if None in nested.values():
        return None
    entries += [f"{name} : {settings}" for name, settings in nested.items()]
    return "{" + ", ".join(entries) + "}"


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
