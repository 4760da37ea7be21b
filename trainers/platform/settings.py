"""Reads the settings of --config_file, --params_override and params.yaml, without TensorFlow."""

import pathlib
import re
from typing import Any

import yaml

from trainers.errors import TrainersError

# An element of tf-models-official's lists of NAME=VALUE; a name may have an index.
_SETTING = re.compile(
    r"""([a-zA-Z][\w.]*)(\[?[0-9]*\]?)\s*=\s*('.*?'|".*?"|[^,\[]*|\[[^\]]*\])(?:$|,\s*)"""
)


class _Loader(yaml.FullLoader):
    """Reads 1e-3 as a number, which YAML 1.1 takes for a string."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), [*"-+0123456789"]
)


def read(text: str) -> dict[str, Any] | None:
    """The settings in a text: NAME=VALUE,... or YAML or the path of a YAML file.

    Returns:
      None for remote files, which need TensorFlow, and for elements of lists by index.

    Raises:
      TrainersError: for invalid YAML, and a file that cannot be read.
    """
    try:
        as_yaml = _as_yaml(text)
        if as_yaml is None:
            return None
        settings = yaml.load(as_yaml, Loader=_Loader)
        if isinstance(settings, dict) or not text:
            return settings or {}
        if "://" in text:
            return None
        settings = parse(pathlib.Path(text).read_text("utf-8"))
    except OSError as error:
        raise unusable(f"{text}; {error.strerror}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise unusable(error) from error
    if not isinstance(settings, dict):
        raise unusable(f"{text} has no settings, which are lines of NAME: VALUE")
    return settings


def parse(text: str) -> Any:
    """The value of a YAML text. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def unusable(reason: object) -> TrainersError:
    """The error for settings that cannot be applied."""
    return TrainersError(f"the configuration cannot be used: {reason}")


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
