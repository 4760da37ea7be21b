"""Where the drawn shapes are."""

import os
from collections.abc import Callable, Iterable

from trainers.errors import TrainersError

FOLDER = "runs/shapes"
SPLITS = ("train", "validation", "test")


def new(
    output_dir: str,
    splits: Iterable[str] = SPLITS,
    exists: Callable[[str], bool] = os.path.exists,
) -> dict[str, str]:
    """The paths of the splits' files in a folder. Raises TrainersError when one exists."""
    paths = {split: os.path.join(output_dir, f"{split}.tfrecord") for split in splits}
    there = [path for path in paths.values() if exists(path)]
    if there:
        raise TrainersError(f"`output_dir` must not have {', '.join(there)} yet")
    return paths
