"""Arrays of examples and labels that a user brings: what they must be, and how they are split."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.data.image_data import ImageData, Split, stratified
from trainers.errors import TrainersError

# Never change it: scores of different runs are of the same examples.
_SEED = 20200406
# Of all images without a test set, and the share of the training images that validate.
_FRACTION = 0.2
# So that each part has an image of each class.
_LEAST_OF_A_CLASS = 5
_AXES = {
    "images": ("count", "height", "width", "channels"),
    "series": ("count", "length", "channels"),
    "volumes": ("count", "depth", "height", "width", "channels"),
    "tokens": ("count", "length"),
}
_ONE = {"images": "image", "series": "series", "volumes": "volume"}
_TRAIN, _TEST = ("x_train", "y_train"), ("x_test", "y_test")
NAMES = _TRAIN + _TEST


def check_names(names: Sequence[str], where: str) -> None:
    """Raises TrainersError unless there are images and labels to train on, or to test on too."""
    missing = [name for name in _TRAIN if name not in names]
    if any(name in names for name in _TEST):
        missing += [name for name in _TEST if name not in names]
    if missing:
        raise TrainersError(
            f"{where} must have x_train and y_train, and x_test and y_test or neither. "
            f"Received: {', '.join(names) or 'nothing'}"
        )


def to_image_data(arrays: Mapping[str, Any], inputs: str = "images") -> ImageData:
    """Checks the arrays and splits them.

    A fifth of the training images, of each class alike, validates. Without test images a fifth of
    all images is the test set, and another fifth validates.

    Args:
      arrays: x_train, y_train and, if there is a test set, x_test and y_test. Images are (count,
        height, width, channels), or (count, height, width) with one channel; uint8 stays as it is,
        other numbers become float32.
      inputs: what x is, one of `INPUTS`: images, or series (count, length, channels), volumes
        (count, depth, height, width, channels), either also without channels; or tokens (count,
        length), whole numbers from 0.

    Raises:
      TrainersError: in one line, for arrays that cannot be used.
    """
    rest = _split(arrays, inputs, *_TRAIN)
    _check_classes(rest.labels, inputs)
    if _TEST[0] in arrays:
        test = _split(arrays, inputs, *_TEST)
        _check_like(test, rest)
        share = _FRACTION
    else:
        rest, test = stratified(rest, _FRACTION, _SEED)
        share = _FRACTION / (1 - _FRACTION)
    train, validation = stratified(rest, share, _SEED)
    return ImageData.from_splits(train, validation, test)


def _split(arrays: Mapping[str, Any], inputs: str, images_name: str, labels_name: str) -> Split:
    images = _examples(np.asarray(arrays[images_name]), inputs, images_name)
    labels = np.asarray(arrays[labels_name])
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise TrainersError(
            f"{labels_name} must be whole numbers of shape (count,). Received: {labels.dtype} of "
            f"shape {labels.shape}"
        )
    if len(labels) != len(images):
        raise TrainersError(
            f"{images_name} and {labels_name} must be equally long. Received: {len(images)} "
            f"{inputs} and {len(labels)} labels"
        )
    return Split(images, labels.astype(np.int32))


def _examples(images: np.ndarray, inputs: str, name: str) -> np.ndarray:
    if images.dtype.kind not in "uif":
        raise TrainersError(f"{name} must be numbers. Received: {images.dtype}")
    _check_shape(images, inputs, name)
    if inputs == "tokens":
        return _tokens(images, name)
    if images.ndim == len(_AXES[inputs]) - 1:
        images = images[..., None]
    if images.dtype == np.uint8:
        return images
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        images = images.astype(np.float32)
    if not np.isfinite(images).all():
        wrong = ~np.isfinite(images.reshape(len(images), -1)).all(axis=1)
        raise TrainersError(
            f"{name} must be finite. Received: NaN or infinity in {wrong.sum()} of {len(wrong)} "
            f"{inputs}, first in {_ONE[inputs]} {wrong.argmax()}"
        )
    return images


def _check_shape(images: np.ndarray, inputs: str, name: str) -> None:
    axes = _AXES[inputs]
    with_channels = f"({', '.join(axes)})"
    without = "" if inputs == "tokens" else f", or ({', '.join(axes[:-1])})"
    ranks = (len(axes),) if inputs == "tokens" else (len(axes), len(axes) - 1)
    if images.ndim not in ranks or not images.size:
        raise TrainersError(
            f"{name} must be of shape {with_channels}, none of them 0{without}. "
            f"Received: {images.shape}"
        )


def _tokens(tokens: np.ndarray, name: str) -> np.ndarray:
    if tokens.dtype.kind == "f" or tokens.min() < 0 or tokens.max() > np.iinfo(np.int32).max:
        raise TrainersError(
            f"{name} must be tokens, whole numbers from 0 to 2**31 - 1. Received: {tokens.dtype} "
            f"from {tokens.min()} to {tokens.max()}"
        )
    return tokens.astype(np.int32)


def _check_classes(labels: np.ndarray, inputs: str) -> None:
    found, counts = np.unique(labels, return_counts=True)
    if found[0] != 0 or found[-1] != len(found) - 1:
        gaps = sorted(set(range(max(int(found[-1]), 0))) - set(found.tolist()))
        text = f", without {gaps[0]}" if found[0] == 0 else ""
        raise TrainersError(
            f"the labels of y_train must count the classes from 0 without a gap. Received: labels "
            f"from {found[0]} to {found[-1]}{text}"
        )
    if len(found) == 1:
        raise TrainersError("y_train must have two classes or more. Received: only class 0")
    if counts.min() < _LEAST_OF_A_CLASS:
        raise TrainersError(
            f"y_train must have {_LEAST_OF_A_CLASS} {inputs} of each class or more. Received: "
            f"{counts.min()} of class {counts.argmin()}"
        )


def _check_like(test: Split, train: Split) -> None:
    of_test, of_train = (f"{one.images.shape[1:]} {one.images.dtype}" for one in (test, train))
    if of_test != of_train:
        raise TrainersError(
            f"x_test must be like x_train, {of_train}. Received: {of_test} (float32 stands for all "
            "numbers but uint8)"
        )
    last = int(train.labels.max())
    if test.labels.min() < 0 or test.labels.max() > last:
        raise TrainersError(
            f"the labels of y_test must be among those of y_train, 0 to {last}. Received: labels "
            f"from {test.labels.min()} to {test.labels.max()}"
        )
