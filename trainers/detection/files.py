"""The files of the drawn shapes."""

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
    """The path of each split's file in a folder. Raises TrainersError when one exists."""
    paths = {split: os.path.join(output_dir, f"{split}.tfrecord") for split in splits}
    existing = [path for path in paths.values() if exists(path)]
    if existing:
        raise TrainersError(f"`output_dir` must not have {', '.join(existing)} yet")
    return paths
