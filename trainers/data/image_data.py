"""`ImageData`: the splits of a small data set as arrays; they may be series, volumes or tokens."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Split:
    """Images (count, height, width, channels), uint8 or float32, and labels (count,), int32.

    In place of images there may be series (count, length, channels), volumes (count, depth, height,
    width, channels), or tokens (count, length), which are int32.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class ImageData:
    """A data set in three parts that share no example.

    Attributes:
      train: what models are trained on.
      validation: what the search scores layers on; cut from the training set.
      test: only for final scores.
      num_classes: labels are 0 to num_classes - 1.
      mean, stddev: over all pixels of `train`, for each channel; the stddev of a channel in which
        all pixels are equal is 1, so that images can be divided by it. For tokens, which are no
        quantities, 0 and 1.
    """

    train: Split
    validation: Split
    test: Split
    num_classes: int
    mean: np.ndarray
    stddev: np.ndarray

    @classmethod
    def from_splits(cls, train: Split, validation: Split, test: Split) -> "ImageData":
        """Counts the classes, and computes mean and deviation of the training images."""
        num_classes = int(train.labels.max()) + 1
        if train.images.dtype == np.int32:
            none = np.zeros(1, np.float32), np.ones(1, np.float32)
            return cls(train, validation, test, num_classes, *none)
        pixels = train.images.reshape(-1, train.images.shape[-1]).astype(np.float64)
        mean, stddev = pixels.mean(0).astype(np.float32), pixels.std(0).astype(np.float32)
        stddev[(pixels.min(0) == pixels.max(0)) | (stddev == 0)] = 1.0
        return cls(train, validation, test, num_classes, mean, stddev)

    def held_out(self, fraction: float, seed: int) -> "ImageData":
        """A new split of train and validation, with `fraction` held out (for reranking)."""
        images = np.concatenate([self.train.images, self.validation.images])
        labels = np.concatenate([self.train.labels, self.validation.labels])
        train, held_out = stratified(Split(images, labels), fraction, seed)
        return ImageData.from_splits(train, held_out, self.test)


def stratified(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Splits off a share of each class, by a fixed shuffle."""
    from sklearn.model_selection import train_test_split  # slow to import

    first, second = train_test_split(
        np.arange(len(split)), test_size=fraction, random_state=seed, stratify=split.labels
    )
    rest, part = (Split(split.images[i], split.labels[i]) for i in map(np.sort, (first, second)))
    return rest, part
