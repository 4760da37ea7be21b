"""The images of a classification data set of tensorflow-datasets, as arrays."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from trainers.data.resizing import resized
from trainers.data.tfds_source import TfdsSource, open_source
from trainers.errors import TrainersError

_BATCH = 500


def read(source: str, data_dir: str | None, size: int | None) -> dict[str, np.ndarray]:
    """The arrays x_train, y_train and, if there is a split `test`, x_test and y_test.

    Args:
      source: its name, or the folder that holds its prepared files.
      data_dir: where TFDS keeps its data; None for its default.
      size: side to which images are resized; None if they are equally large.

    Raises:
      TrainersError: as `open_source` does, or for images of different sizes without `size`.
    """
    opened = open_source(source, data_dir or "")
    splits = ["train", *(["test"] if "test" in opened.builder.info.splits else [])]
    found = {}
    for split in splits:
        found[f"x_{split}"], found[f"y_{split}"] = _arrays(opened, split, size)
    return found


def _arrays(source: TfdsSource, split: str, size: int | None) -> tuple[np.ndarray, np.ndarray]:
    if size is None:
        whole = source.in_memory(split)
        return whole.images, whole.labels

    def parse(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return resized(example[source.image], size), tf.cast(example[source.label], tf.int32)

    if split not in source.builder.info.splits:
        raise TrainersError(f"{source.builder.info.full_name} must have a split {split}")
    examples = source.builder.as_dataset(split=split)
    batches = list(tfds.as_numpy(examples.map(parse).batch(_BATCH)))
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images, labels
