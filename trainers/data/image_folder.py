"""Images in a folder with a folder for each class, or with `train` and `test` that have those."""

import pathlib

import numpy as np
import tensorflow as tf

from trainers.data.resizing import resized
from trainers.errors import TrainersError, reason

_SUFFIXES = (".png", ".jpg", ".jpeg")
_PARTS = ("train", "test")
_RGB = 3


def read(folder: str, size: int | None) -> dict[str, np.ndarray]:
    """The arrays x_train, y_train and, if the folder has both parts, x_test and y_test.

    Classes are counted in the order of their folders' names. Files that are no PNG or JPEG by
    their name, and names that begin with a dot, are left out. If some images are in color and some
    are not, or some have an alpha channel, all become RGB.

    Args:
      folder: the path.
      size: side to which images are resized; None if they are equally large.

    Raises:
      TrainersError: in one line, for a folder without class folders, a class without images, an
        image that cannot be decoded, or images of different sizes without `size`.
    """
    parts = {path.name: path for path in _folders(pathlib.Path(folder))}
    if sorted(parts) != sorted(_PARTS):
        images, labels = _part(_files(pathlib.Path(folder)), size)
        return {"x_train": images, "y_train": labels}
    files = {name: _files(parts[name]) for name in _PARTS}
    classes = {name: [path.name for path in _folders(parts[name])] for name in _PARTS}
    if classes["train"] != classes["test"]:
        raise TrainersError(
            f"train and test must have folders of the same classes. Received: "
            f"{', '.join(classes['train'])} and {', '.join(classes['test'])}"
        )
    images, labels = _part([*files["train"], *files["test"]], size)
    first = len(files["train"])
    return {
        "x_train": images[:first],
        "y_train": labels[:first],
        "x_test": images[first:],
        "y_test": labels[first:],
    }


def _folders(folder: pathlib.Path) -> list[pathlib.Path]:
    found = (path for path in folder.iterdir() if path.is_dir())
    return sorted(path for path in found if not path.name.startswith("."))


def _files(folder: pathlib.Path) -> list[tuple[pathlib.Path, int]]:
    """The image files and their classes."""
    classes = _folders(folder)
    if not classes:
        raise TrainersError(
            f"the folder must have a folder of images for each class. Received: {folder}, which "
            "has no folder"
        )
    found = []
    for label, each in enumerate(classes):
        images = [path for path in sorted(each.iterdir()) if _is_image(path)]
        if not images:
            raise TrainersError(
                f"each class must have images ({', '.join(_SUFFIXES)}). Received: {each}, which "
                "has none"
            )
        found += [(path, label) for path in images]
    return found


def _is_image(path: pathlib.Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _part(files: list[tuple[pathlib.Path, int]], size: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The images of the files in one array, and their labels."""
    images = [_decoded(path, size) for path, _ in files]
    if len({image.shape[-1] for image in images}) > 1:
        images = [_as_rgb(image) for image in images]
    for (path, _), image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise TrainersError(
                f"images must be equally large, or evaluation.image_size be set. Received: "
                f"{_size(images[0])} in {files[0][0]}, {_size(image)} in {path}"
            )
    return np.stack(images), np.array([label for _, label in files], np.int32)


def _decoded(path: pathlib.Path, size: int | None) -> np.ndarray:
    try:
        image = tf.io.decode_image(path.read_bytes(), expand_animations=False)
    except (OSError, tf.errors.OpError) as error:
        raise TrainersError(
            f"each image must be a PNG or JPEG. Received: {path}: {reason(error)}"
        ) from error
    return (image if size is None else resized(image, size)).numpy()


def _as_rgb(image: np.ndarray) -> np.ndarray:
    is_gray = image.shape[-1] < _RGB  # with or without an alpha channel
    return np.repeat(image[..., :1], _RGB, axis=-1) if is_gray else image[..., :_RGB]


def _size(image: np.ndarray) -> str:
    height, width = image.shape[:2]
    return f"{width}x{height}"
