"""The keys of each experiment's configuration, without TensorFlow.

Configurations are dataclasses of tf-models-official, which imports TensorFlow. So keys.json has
a snapshot of their keys, which `python -m trainers.experiments.write_keys` writes; a test
compares the two. The snapshot holds for one release of tf-models-official, and without it: with
another release keys are not checked.
"""

import importlib.metadata
import json
import pathlib
from typing import Any

from trainers.experiments.overrides import Tree

FILE = pathlib.Path(__file__).with_name("keys.json")


def snapshot_of(experiment: str) -> Tree | None:
    """The keys of an experiment; None if the snapshot does not have them."""
    snapshot = json.loads(FILE.read_text(encoding="utf-8"))
    if release() not in ("", snapshot["release"]):
        return None
    shapes = {name: shape for shape, names in snapshot["experiments"].items() for name in names}
    if experiment not in shapes:  # an experiment of another program
        return None
    return _unfolded(shapes[experiment], snapshot["shapes"])


def release() -> str:
    """The installed release of tf-models-official; empty if there is none of that name."""
    try:
        return importlib.metadata.version("tf-models-official")
    except importlib.metadata.PackageNotFoundError:
        return ""


def tree_of(config: Any) -> Tree:
    """The keys of a configuration, as tf-models-official compares overrides with them.

    A value that is not a configuration may be replaced by any settings.
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
