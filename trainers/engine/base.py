"""`EngineTask`: the interface between the engine and what it trains."""

import abc
from typing import Any

import tensorflow as tf

from trainers.engine.config import ExperimentConfig
from trainers.platform import optimizers
from trainers.platform.training import Task

Named = tuple[str, tf.Tensor]


class EngineTask(Task):
    """A task that resumes at any step and reports values that are not finite.

    `trainers.engine.kinds.register` registers it. Besides the methods below, a task has those
    of `trainers.platform.training.Task`: `create_optimizer`, `aggregate_logs` and
    `reduce_aggregated_logs`; and it defines `build_metrics` and `validation_step`. The trainer
    prints the last evaluation's scalars, which come from `build_metrics(training=False)` or
    `reduce_aggregated_logs`.

    Attributes:
      unread: paths of configuration fields, such as "task.name", that the task inherits from
        tf-models-official and does not read: setting one is an error.
    """

    unread: tuple[str, ...] = ()

    @classmethod
    @abc.abstractmethod
    def check(cls, params: ExperimentConfig) -> None:
        """Checks the task's settings, with no data and no device. Raises TrainersError."""

    @classmethod
    @abc.abstractmethod
    def check_data(cls, config: Any, params: ExperimentConfig, path: str) -> None:
        """Opens one of the data sets, `task.train_data` or `task.validation_data`.

        Args:
          config: that data set's configuration.
          params: of the experiment.
          path: name of the field, for messages.

        Raises:
          TrainersError: when it is missing or does not fit the model.
        """

    @classmethod
    @abc.abstractmethod
    def data_name(cls, config: Any) -> str:
        """The name of a data set in messages."""

    @classmethod
    def in_inference(cls, config: Any) -> Any:
        """The task's configuration for a model that is not trained on: what training needs is off.

        The model must have the same variables.
        """
        return config

    def make_optimizer_variables(self, model: tf.keras.Model, optimizer: Any) -> None:
        """Creates the variables of `optimizer`, in the strategy's scope, before the first step."""
        optimizers.make_variables(optimizer, model.trainable_variables)

    @abc.abstractmethod
    def build_model(self) -> tf.keras.Model:
        """The model, with the same initial weights for the same `task.seed`.

        A functional model, or one that has been called: its variables must exist, since the
        checkpoint is read into them before the first step. A model whose checkpoint has more
        than its variables lists it in the property `checkpoint_items`, a dictionary.
        """

    @abc.abstractmethod
    def build_inputs(
        self,
        params: Any,
        input_context: tf.distribute.InputContext | None = None,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """Batches; in training an endless data set that begins with the batch of `first_step`."""

    @abc.abstractmethod
    def train_step(
        self,
        inputs: Any,
        model: tf.keras.Model,
        optimizer: Any,
        metrics: list[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """One step on this replica.

        Returns:
          Logs: `self.loss` ("loss"), a scalar, and "finite", a boolean scalar that is equal
          on all replicas: whether loss and gradients were finite on all of them. If not, the
          step must leave all trainable variables unchanged; see `trainers.engine.steps`.
        """

    def write_assets(self, model_dir: str) -> None:
        """Writes what users of the trained model need besides its checkpoint; nothing by default.

        The chief calls it once, before training.
        """

    def probe(self, inputs: Any, model: tf.keras.Model) -> tuple[list[Named], list[Named]]:
        """The values among which the engine looks for one that is not finite; called in a replica.

        Returns:
          Outputs with their layer's name, in the order of computation, and gradients (or
          None) with their variable's name, in the order of the forward pass.
        """
        del inputs, model
        return [], []
