"""The finished trainings of a study: a file with one line of JSON for each.

Lines are appended, each in one write, so several processes can work on one study.
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any, TypeAlias

from trainers.errors import TrainersError

Run: TypeAlias = dict[str, Any]
"""network, layer, setting, seed, steps, the study's scores, training_loss, first_bad_step."""

_KEYS = {"network": str, "layer": str, "setting": str, "seed": int}


def read(path: pathlib.Path, scores: Sequence[str]) -> list[Run]:
    """The finished trainings; none if the file does not exist.

    Args:
      path: of the file.
      scores: the keys of the scores that each training must have.

    Raises:
      TrainersError: for a line that is not a training.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    keys = {**_KEYS, **dict.fromkeys(scores, float)}
    return [_parsed(path, keys, number, line) for number, line in enumerate(lines, start=1)]


def append(path: pathlib.Path, run: Run) -> None:
    """Adds a training."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def _parsed(path: pathlib.Path, keys: dict[str, type], number: int, line: str) -> Run:
    try:
        run = json.loads(line)
    except ValueError as error:
        raise TrainersError(f"{path}, line {number} is not JSON: {error}") from error
    for key, kind in keys.items():
        if not isinstance(run, dict) or not isinstance(run.get(key), kind):
            raise TrainersError(
                f"{path}, line {number} is no training: {key!r} must be {kind.__name__}"
            )
    return run
