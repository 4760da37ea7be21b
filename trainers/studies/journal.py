"""The finished trainings of a study: a file with one line of JSON for each.

Lines are appended, each in one write, so several processes can work on one study.
"""

import json
import pathlib
from typing import Any, TypeAlias

from trainers.errors import TrainersError

Run: TypeAlias = dict[str, Any]
"""network, layer, setting, seed, steps, accuracy, training_loss, first_bad_step."""

_KEYS = {"network": str, "layer": str, "setting": str, "seed": int, "accuracy": float}


def read(path: pathlib.Path) -> list[Run]:
    """The finished trainings; none if the file does not exist.

    Raises:
      TrainersError: for a line that is not a training.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]


def append(path: pathlib.Path, run: Run) -> None:
    """Adds a training."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def _parsed(path: pathlib.Path, number: int, line: str) -> Run:
    try:
        run = json.loads(line)
    except ValueError as error:
        raise TrainersError(f"{path}, line {number} is not JSON: {error}") from error
    for key, kind in _KEYS.items():
        if not isinstance(run, dict) or not isinstance(run.get(key), kind):
            raise TrainersError(
                f"{path}, line {number} is no training: {key!r} must be {kind.__name__}"
            )
    return run
