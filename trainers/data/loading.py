"""Small data sets as arrays: the known ones by name, and those that users bring."""

from collections.abc import Mapping
from typing import Any

from trainers.data import arrays
from trainers.data.image_data import ImageData
from trainers.data.sources import DATA_SETS, Kind, kind_of
from trainers.errors import TrainersError

__all__ = ["DATA_SETS", "load"]


def load(
    source: str,
    data_dir: str | None = None,
    image_size: int | None = None,
    inputs: str = "images",
) -> ImageData:
    """Loads a data set.

    Args:
      source: "digits", scikit-learn's embedded 8x8 digits; "inverted_digits", the same with half
        of the images inverted; "cifar10" and "inverted_cifar10", by TFDS; a .npz file; a folder
        with a folder of images for each class; `module:function`; or the name or prepared folder
        of a TFDS data set.
      data_dir: where TFDS keeps its data; None for its default.
      image_size: side to which all images are resized; None leaves them as they are.
      inputs: what arrays from a file or a function are; see `arrays.to_image_data`.

    Raises:
      TrainersError: in one line, for anything that is missing or not as it must be.
    """
    kind = kind_of(source)
    if inputs != "images" and kind not in (Kind.NPZ, Kind.FUNCTION):
        raise TrainersError(f"it has images, and {inputs} come from a .npz file or module:function")
    if kind is Kind.KNOWN:
        images = _known(source, data_dir)
    else:
        images = arrays.to_image_data(_read(kind, source, data_dir, image_size), inputs)
    if image_size is None or images.train.images.shape[1:3] == (image_size, image_size):
        return images
    from trainers.data import resizing  # with TensorFlow

    return resizing.resized_data(images, image_size)


def _known(name: str, data_dir: str | None) -> ImageData:
    if name.endswith("cifar10"):
        from trainers.data import cifar10, inversion

        images = cifar10.load(data_dir)
        return inversion.half_inverted_data(images) if name.startswith("inverted") else images
    from trainers.data import digits

    return digits.load(inverted=name == "inverted_digits")


def _read(kind: Kind, source: str, data_dir: str | None, size: int | None) -> Mapping[str, Any]:
    # Each reader is imported where it is used, since some need TensorFlow.
    if kind is Kind.IMAGE_FOLDER:
        from trainers.data import image_folder

        return image_folder.read(source, size)
    if kind in (Kind.TFDS_FOLDER, Kind.TFDS_NAME):
        from trainers.data import tfds_images

        return tfds_images.read(source, data_dir, size)
    if kind is Kind.NPZ:
        from trainers.data import npz_file

        return npz_file.read(source)
    from trainers.data import function_data

    return function_data.read(source)
