"""The configuration as a YAML file, with the comments of `search/config.py`."""

import dataclasses
import os
import pathlib
import re
import textwrap
import typing
from collections.abc import Iterator
from typing import Any

import yaml

from evonorm_tf import files
from search import presets, settings
from search.config import Config
from search.errors import SearchError
from search.field_comments import field_comments

_HEADER = """\
# A configuration of the search, for
#     python -m search run --config {name} --run-dir DIR
# A field that is not in this file has the preset's value. `null` stands for None.
"""
_WIDTH = 100
_LONGEST_VALUE = 60
# YAML 1.1, which PyYAML reads, takes 1e-4 for text.
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def read(path: str | os.PathLike) -> Config:
    """The configuration of a file: its preset, `demo` by default, with the fields of the file.

    Raises:
      SearchError: in one line that names the file, for one that cannot be read, and for unknown
        fields and wrong values.
    """
    try:
        values = yaml.load(pathlib.Path(path).read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise SearchError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SearchError(f"{path} is no configuration: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        received = repr(values)[:_LONGEST_VALUE]
        raise SearchError(f"{path} must have fields of the configuration. Received: {received}")
    try:
        name = values.get("preset", "demo")
        if name not in list(presets.PRESETS):
            known = ", ".join(presets.PRESETS)
            raise SearchError(f"preset cannot be {name!r}: it is one of {known}")
        return settings.merged(presets.preset(name), values)
    except SearchError as error:
        raise SearchError(f"{path}: {error}") from None


def write(path: str | os.PathLike, config: Config, force: bool = False) -> None:
    """Writes every field of a configuration with its comment.

    Raises:
      SearchError: for a file that exists, unless `force`, or cannot be written.
    """
    path = pathlib.Path(path)
    if path.exists() and not force:
        raise SearchError(f"{path} exists already: choose another --output, or --force")
    lines = "".join(_lines(config)).rstrip() + "\n"
    text = _HEADER.format(name=path.name) + re.sub("\n{3,}", "\n\n", lines)
    try:
        files.write_whole(path, text.encode())
    except OSError as error:
        raise SearchError(f"cannot write {path}: {error.strerror}") from None


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, and refuses a field that is there twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            text = f"the field {twice[0]} is there twice"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789"))


def _lines(section: Any, indent: str = "") -> Iterator[str]:
    """The lines of a section's fields, each after its comment."""
    comments = field_comments(type(section))
    kinds = typing.get_type_hints(type(section))
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield "\n" + _comment((type(value).__doc__ or "").partition("\n")[0], indent)
            yield f"{indent}{field.name}:\n"
            yield from _lines(value, f"{indent}  ")
            yield "\n"
        else:
            yield _comment(comments[field.name], indent)
            yield _comment(_choices(kinds[field.name]), indent)
            yield f"{indent}{field.name}: {_text(value)}\n"


def _choices(kind: Any) -> str:
    is_choice = typing.get_origin(kind) is typing.Literal
    return f"one of {', '.join(typing.get_args(kind))}" if is_choice else ""


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(text, _WIDTH - len(indent) - 2)
    return "".join(f"{indent}# {line}\n" for line in lines)


def _text(value: Any) -> str:
    value = list(value) if isinstance(value, tuple) else value
    # A value alone is a document, whose end PyYAML marks.
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    )
