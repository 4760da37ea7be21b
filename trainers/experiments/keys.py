"""The keys of each experiment's configuration, without TensorFlow.

Configurations are dataclasses of tf-models-official, and it imports TensorFlow. keys.json has
their keys, as `python -m trainers.experiments.write_keys` writes it; a test compares the two. It
says which release of tf-models-official it is of: another may have other keys, and then nothing
is known here.
"""

import importlib.metadata
import json
import pathlib
from typing import Any

from trainers.experiments.overrides import Tree

FILE = pathlib.Path(__file__).with_name("keys.json")


def known(experiment: str) -> Tree | None:
    """The keys of an experiment; None where they are not known without TensorFlow."""
    snapshot = json.loads(FILE.read_text(encoding="utf-8"))
    if snapshot["release"] != release():
        return None
    shapes = {name: shape for shape, names in snapshot["experiments"].items() for name in names}
    if experiment not in shapes:  # of a program with experiments of its own
        return None
    return _unfolded(shapes[experiment], snapshot["shapes"])


def release() -> str:
    """The tf-models-official that is installed; empty where none is by that name."""
    try:
        return importlib.metadata.version("tf-models-official")
    except importlib.metadata.PackageNotFoundError:
        return ""


def tree_of(config: Any) -> Tree:
    """The keys of a configuration, as tf-models-official compares overrides with them.

    Where a value is no configuration, any settings can take its place.
    """
    return {
        name: tree_of(value) if hasattr(value, "override") else None
        for name, value in vars(config).items()
        if name not in config.RESERVED_ATTR
    }


def _unfolded(shape: str, shapes: dict[str, dict[str, str | None]]) -> Tree:
    return {
        name: None if below is None else _unfolded(below, shapes)
        for name, below in shapes[shape].items()
    }
