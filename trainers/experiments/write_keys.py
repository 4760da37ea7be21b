"""Writes keys.json, the keys of all experiments' configurations; see `trainers.experiments.keys`.

python -m trainers.experiments.write_keys

Run it after a configuration class or tf-models-official has changed.
"""

import json
from typing import Any

from trainers import command
from trainers.experiments import EXPERIMENTS, keys


def snapshot() -> dict[str, Any]:
    """The content of keys.json: the installed release, shapes by name, experiments by shape.

    A shape has the keys of a configuration, each with the name of the shape below it. Its name
    is that of the class, with a number where configurations of one class have different keys.
    """
    shapes: dict[str, dict[str, str | None]] = {}
    experiments: dict[str, list[str]] = {}
    for name, experiment in EXPERIMENTS.items():
        experiments.setdefault(_add(experiment.build(), shapes), []).append(name)
    return {
        "release": keys.release(),
        "shapes": dict(sorted(shapes.items())),
        "experiments": experiments,
    }


def _add(config: Any, shapes: dict[str, dict[str, str | None]]) -> str:
    """Adds the shape of a configuration and those below; returns its name."""
    shape = {
        name: None if below is None else _add(getattr(config, name), shapes)
        for name, below in sorted(keys.tree_of(config).items())
    }
    name, number = type(config).__name__, 1
    while shapes.setdefault(name, shape) != shape:
        number += 1
        name = f"{type(config).__name__}_{number}"
    return name


def text() -> str:
    """The file's content."""
    return json.dumps(snapshot(), indent=1) + "\n"


def main(_: list[str]) -> None:
    """Writes the file."""
    keys.FILE.write_text(text(), encoding="utf-8")
    print(f"{keys.FILE}: the keys of {len(EXPERIMENTS)} experiments")


if __name__ == "__main__":
    command.run("trainers.experiments.write_keys", main)
