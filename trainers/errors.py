"""Errors that a user can act on: the commands print their message without a traceback."""

import re

# "{{function_node ...}}", "{{node ...}}", "[[...]]" and "[Op:...]", with a name behind it.
_INSIDES = re.compile(r"\{\{\w+ [^}]*\}\}|\[\[.*?\]\]|\[Op:[^\]]*\](\s*name:.*)?")

# What comes before that, from within a graph.
_WHERE = ("Graph execution error:", "Detected at node ", 'File "')


def reason(error: Exception) -> str:
    """The first line of why, of what TensorFlow says, without the names of its insides."""
    text = _INSIDES.sub("", getattr(error, "message", None) or str(error))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    why = (line for line in lines if line and not line.startswith(_WHERE))
    return next(why, type(error).__name__)


class TrainersError(ValueError):
    """A setting, a data set or a model folder is not as it must be."""


class TrainingDivergedError(ArithmeticError):
    """The loss or a gradient is no longer finite.

    Attributes:
      step: the first such step, counted from 1.
      layer: name of the first layer with a value that is not finite; None if none was found.
    """

    def __init__(self, message: str, step: int, layer: str | None):
        super().__init__(message)
        self.step = step
        self.layer = layer
