"""What a configuration's data can be, recognized from its text: a known name, a file, a folder, ...

Nothing is read or imported for that, and TensorFlow is not needed.
"""

import enum
import os
import re

from trainers.errors import TrainersError
from trainers.named_function import is_function_name

DATA_SETS = ("digits", "inverted_digits", "cifar10", "inverted_cifar10")
# A name of tensorflow-datasets, maybe with its configuration: "svhn_cropped", "emnist/letters".
_TFDS_NAME = re.compile(r"[a-z][a-z0-9_]*(/[A-Za-z0-9_.\-]+)?")
# The files that make a folder a prepared data set of tensorflow-datasets.
_TFDS_FILES = ("features.json", "dataset_info.json")
RULE = (
    f"it is one of {', '.join(DATA_SETS)}, a .npz file, a folder with a folder of images for each "
    "class, module:function, or the name or the prepared folder of a TFDS data set"
)


class Kind(enum.Enum):
    """The kinds of data."""

    KNOWN = "a data set by its name here"
    NPZ = "a .npz file"
    FUNCTION = "module:function"
    IMAGE_FOLDER = "a folder of class folders"
    TFDS_FOLDER = "a prepared folder of tensorflow-datasets"
    TFDS_NAME = "a name of tensorflow-datasets"


# tensorflow-datasets imports the classes that a prepared data set's files name.
_IMPORTING = (Kind.FUNCTION, Kind.TFDS_FOLDER, Kind.TFDS_NAME)


def kind_of(source: str) -> Kind:
    """The kind of a source. Raises TrainersError for a path that is not there, or for none."""
    if source in DATA_SETS:
        return Kind.KNOWN
    if is_function_name(source):
        return Kind.FUNCTION
    if os.path.isdir(source):
        is_tfds = any(os.path.isfile(os.path.join(source, name)) for name in _TFDS_FILES)
        return Kind.TFDS_FOLDER if is_tfds else Kind.IMAGE_FOLDER
    if source.endswith(".npz"):
        if not os.path.isfile(source):
            raise TrainersError("there is no such file")
        return Kind.NPZ
    if _TFDS_NAME.fullmatch(source):
        return Kind.TFDS_NAME
    raise TrainersError(RULE)


def imports_modules(source: str) -> bool:
    """Whether loading this source imports modules that the source names."""
    return kind_of(source) in _IMPORTING
