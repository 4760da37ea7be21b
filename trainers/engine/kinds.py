"""The kinds of experiments. Tasks register here; the engine itself imports none of them."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from trainers.engine.base import EngineTask
from trainers.engine.config import ExperimentConfig
from trainers.errors import TrainersError
from trainers.platform import training

_Task = TypeVar("_Task", bound=type[EngineTask])


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of experiment.

    Attributes:
      config: class of its configurations.
      task: class of its task.
    """

    config: type[ExperimentConfig]
    task: type[EngineTask]


# By the value of `ExperimentConfig.kind`.
KINDS: dict[str, Kind] = {}


def register(config: type[ExperimentConfig]) -> Callable[[_Task], _Task]:
    """A decorator that registers a task, with tf-models-official too where it is used.

    Args:
      config: class of the task's experiments; its default `kind` is the name.

    Raises:
      ValueError: for a name that another task has.
    """
    default = config()

    def add(task: _Task) -> _Task:
        if default.kind in KINDS:
            raise ValueError(f"`kind` must be new. Received: kind={default.kind!r}")
        KINDS[default.kind] = Kind(config, task)
        return training.registered(type(default.task))(task)

    return add


def find(name: str) -> Kind:
    """The kind of that name. Raises TrainersError where no task has registered for it."""
    if name not in KINDS:
        raise TrainersError(f"`kind` must be one of {', '.join(KINDS)}. Received: kind={name!r}")
    return KINDS[name]


def name_of(task: type[EngineTask]) -> str:
    """The kind of the experiments that a task is registered for."""
    return next(name for name, kind in KINDS.items() if kind.task is task)
