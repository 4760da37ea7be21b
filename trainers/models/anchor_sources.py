"""What an anchor of a configuration can be, recognized from its text, without any import."""

import enum
import os

from trainers.errors import TrainersError
from trainers.models.anchors import ANCHORS
from trainers.named_function import is_function_name

APPLICATIONS = "tf.keras.applications."
_FILES = (".keras", ".h5")
_SAVED_MODEL = "saved_model.pb"
RULE = (
    f"it is one of {', '.join(ANCHORS)}, module:function, a model file (.keras, .h5 or a "
    f"SavedModel folder), or a network of {APPLICATIONS[:-1]}, such as {APPLICATIONS}ResNet50V2"
)


class Kind(enum.Enum):
    """The kinds of anchors."""

    KNOWN = "a network by its name here"
    FUNCTION = "module:function"
    APPLICATION = "a network of tf.keras.applications"
    FILE = "a model file of Keras"


def kind_of(anchor: str) -> Kind:
    """The kind of an anchor. Raises TrainersError for a file that is not there, or for none."""
    if anchor in ANCHORS:
        return Kind.KNOWN
    if is_function_name(anchor):
        return Kind.FUNCTION
    if anchor.startswith(APPLICATIONS):
        return Kind.APPLICATION
    if anchor.endswith(_FILES):
        if not os.path.isfile(anchor):
            raise TrainersError("there is no such file")
        return Kind.FILE
    if os.path.isfile(os.path.join(anchor, _SAVED_MODEL)):
        return Kind.FILE
    raise TrainersError(RULE)
