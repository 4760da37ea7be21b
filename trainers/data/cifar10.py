"""CIFAR-10 by tensorflow-datasets, with a validation set cut from the training set."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from trainers.data.image_data import ImageData, Split

_VALIDATION = 0.1


def load(data_dir: str | None = None) -> ImageData:
    """The last 10% of the training images validate; the test images are the official ones."""
    parts = tfds.load("cifar10", split=["train", "test"], data_dir=data_dir)
    whole, test = (_to_split(part) for part in parts)
    count = len(whole) - round(_VALIDATION * len(whole))
    train = Split(whole.images[:count], whole.labels[:count])
    validation = Split(whole.images[count:], whole.labels[count:])
    return ImageData.from_splits(train, validation, test)


def _to_split(part: tf.data.Dataset) -> Split:
    batches = list(tfds.as_numpy(part.batch(1000)))
    images = np.concatenate([batch["image"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    return Split(images, labels.astype(np.int32))
