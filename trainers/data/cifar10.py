"""CIFAR-10 by tensorflow-datasets, with a validation set cut from the training set."""

import numpy as np
import tensorflow_datasets as tfds

from trainers.data.image_data import ImageData, Split

_VALIDATION = 0.1


def load(data_dir: str | None = None) -> ImageData:
    """The last 10% of the training images validate; the test images are the official ones."""
    arrays = tfds.load("cifar10", split=["train", "test"], batch_size=-1, data_dir=data_dir)
    whole, test = (_to_split(tfds.as_numpy(part)) for part in arrays)
    count = len(whole) - round(_VALIDATION * len(whole))
    train = Split(whole.images[:count], whole.labels[:count])
    validation = Split(whole.images[count:], whole.labels[count:])
    return ImageData.from_splits(train, validation, test)


def _to_split(part: dict) -> Split:
    return Split(part["image"], part["label"].astype(np.int32))
