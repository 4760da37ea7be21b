"""The list of experiments, which needs TensorFlow only when one is built."""

import dataclasses
import functools
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainers import keras_choice

if TYPE_CHECKING:
    from trainers.engine.config import ExperimentConfig


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A named experiment.

    Attributes:
      name: DATA_NETWORK[_SETTING]_LAYER[_batchN], with N images a step.
      build: returns its configuration.
      table: the table of the paper; empty for an experiment that the paper does not have.
      figure: the figure that the paper reports there, in percent.
      hardware: the hardware that it is meant for.
      status: "not yet run", or where its results are.
    """

    name: str
    build: Callable[[], "ExperimentConfig"]
    table: str = ""
    figure: str = ""
    hardware: str = ""
    status: str = "not yet run"

    @property
    def command(self) -> str:
        """The command that runs it."""
        return (
            f"python -m trainers.train --experiment={self.name} --mode=train_and_eval "
            f"--model_dir=runs/{self.name}"
        )

    @property
    def record(self) -> str:
        """Command, hardware, expected figure and status, one on each line."""
        expected = f"{self.table}: {self.figure}" if self.table else "not in the paper"
        lines = (self.command, f"hardware: {self.hardware}", f"expected: {expected}", self.status)
        return "\n".join(lines)


EXPERIMENTS: dict[str, Experiment] = {}


def add(experiment: Experiment) -> None:
    """Adds an experiment. Raises ValueError for a name that is taken."""
    if experiment.name in EXPERIMENTS:
        raise ValueError(f"`name` must be new. Received: name={experiment.name!r}")
    EXPERIMENTS[experiment.name] = experiment


def made_by(module: str, function: str, *arguments: Any) -> Callable[[], "ExperimentConfig"]:
    """An experiment's `build`: a call of a function in a module of this package.

    The call imports the module, since configurations need TensorFlow.
    """
    return functools.partial(_make, f"{__package__}.{module}", function, *arguments)


def _make(module: str, function: str, *arguments: Any) -> "ExperimentConfig":
    return getattr(importlib.import_module(module), function)(*arguments)


@functools.cache
def register_all() -> None:
    """Registers all experiments with tf-models-official, once in a process.

    Raises:
      TrainersError: where it cannot be used.
    """
    keras_choice.require_official("the registration of experiments")
    register = importlib.import_module("official.core.exp_factory").register_config_factory
    for experiment in EXPERIMENTS.values():
        register(experiment.name)(_factory(experiment))


def _factory(experiment: Experiment) -> Callable[[], "ExperimentConfig"]:
    def factory() -> "ExperimentConfig":
        return experiment.build()

    factory.__doc__ = experiment.record
    factory.__name__ = experiment.name
    return factory
