"""The scores of a benchmark in a JSON file, with which a stopped run resumes.

The file has the settings as "evaluation" and the results as "scores".
"""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from evonorm_tf.files import write_whole

# What the training of a candidate of the search depends on, in addition to the anchor and the seed.
TRAINING = (
    "data",
    "image_size",
    "groups",
    "batch_size",
    "crop",
    "steps",
    "learning_rate",
    "schedule",
    "warmup_steps",
    "momentum",
    "weight_decay",
)


class Record:
    """A benchmark's file: read at the start if it exists, and written after each result.

    Attributes:
      path: the file.
      contents: what it holds.
    """

    def __init__(
        self,
        path: str | pathlib.Path,
        settings: Mapping[str, Any],
        compared: Sequence[str] | None = None,
    ):
        """Reads the file if it exists.

        Args:
          path: the file.
          settings: of this run; a new file keeps them.
          compared: the settings that must be those of the file, by default all. One that the file
            lacks is newer than the file, and must be off: 0 or None.

        Raises:
          SystemExit: in one line, for a file of other settings or with other contents.
        """
        self.path = pathlib.Path(path)
        evaluation = json.loads(json.dumps(dict(settings)))  # tuples as lists
        # Where a machine keeps its data changes nothing, and others have no such folder.
        evaluation = {key: value for key, value in evaluation.items() if key != "data_dir"}
        self.contents: dict[str, Any] = {"evaluation": evaluation, "scores": {}}
        if not self.path.exists():
            return
        contents = read(self.path)
        for name in evaluation if compared is None else compared:
            recorded, current = contents.get("evaluation", evaluation).get(name), evaluation[name]
            if (recorded or None) != (current or None):
                raise SystemExit(
                    f"{self.path} holds scores of evaluation.{name}={recorded}, and this run has "
                    f"{current}; choose another --out"
                )
        self.contents |= contents

    @property
    def scores(self) -> dict[str, Any]:
        """The results; changes are kept by `write`."""
        return self.contents["scores"]

    def write(self) -> None:
        """Replaces the file by the contents, all at once."""
        text = json.dumps(self.contents, indent=1) + "\n"
        write_whole(self.path, text.encode())


def read(path: pathlib.Path) -> dict[str, Any]:
    """The contents. Older files of `benchmarks.acceptance` are nothing but scores."""
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path} cannot be read as JSON: {error}") from error
    if isinstance(contents, dict) and not {"evaluation", "scores"} & contents.keys():
        contents = {"scores": contents}
    if not (
        isinstance(contents, dict)
        and isinstance(contents.get("evaluation", {}), dict)
        and _is_table(contents.get("scores"))
    ):
        raise SystemExit(f"{path} does not hold scores of a benchmark; choose another --out")
    return contents


def _is_table(scores: Any) -> bool:
    return isinstance(scores, dict) and all(isinstance(row, dict) for row in scores.values())
