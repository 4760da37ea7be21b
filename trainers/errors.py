"""Errors that a user can act on: the commands print their message without a traceback."""


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
