"""Errors that a user can act on: the commands print their message without a traceback."""

import re

# "{{function_node ...}}", "{{node ...}}", "[[...]]" and "[Op:...]", the last with a name after it.
_INTERNALS = re.compile(r"\{\{\w+ [^}]*\}\}|\[\[.*?\]\]|\[Op:[^\]]*\](\s*name:.*)?")

# Lines before the message of an error inside a graph.
_LOCATIONS = ("Graph execution error:", "Detected at node ", 'File "')


def reason(error: Exception) -> str:
    """The first line of an error message of TensorFlow that gives a reason, without node names."""
    text = _INTERNALS.sub("", getattr(error, "message", None) or str(error))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    reasons = (line for line in lines if line and not line.startswith(_LOCATIONS))
    return next(reasons, type(error).__name__)


class TrainersError(ValueError):
    """A setting, a data set or a model folder that cannot be used."""


class TrainingDivergedError(ArithmeticError):
    """The loss or a gradient is no longer finite.

    Attributes:
      step: the first such step, counted from 1.
      layer: name of the first layer with a value that is not finite; None if none was found.
    """

    def __init__(self, message: str, step: int, layer: str | None):
        """Keeps where the training diverged besides the message."""
        super().__init__(message)
        self.step = step
        self.layer = layer
