"""What the engine needs of a task, whatever it trains."""

import abc
from typing import Any

import tensorflow as tf
from official.core import base_task

from trainers.configs.experiment import ExperimentConfig
from trainers.engine import steps

Named = tuple[str, tf.Tensor]


class EngineTask(base_task.Task):
    """A task of tf-models-official that resumes at its step and notices what is not finite.

    It is registered for its own configuration class (`task_factory.register_task_cls`) and
    named in `trainers.engine.kinds`. Besides the methods below, those of
    tf-models-official's tasks hold: `build_metrics`, `validation_step`, `aggregate_logs`,
    `reduce_aggregated_logs`, `create_optimizer`. Values that `build_metrics(training=False)`
    or `reduce_aggregated_logs` give as scalars are printed at the end.

    Attributes:
      unread: paths of configuration fields, such as "task.name", that are inherited from
        tf-models-official and that nothing reads for this task: setting one is an error.
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
          path: the data set's place, for messages.

        Raises:
          TrainersError: when it is missing or does not fit the model.
        """

    @classmethod
    @abc.abstractmethod
    def data_name(cls, config: Any) -> str:
        """How a data set is called in messages."""

    def make_optimizer_variables(self, model: tf.keras.Model, optimizer: Any) -> None:
        """Makes the variables of `optimizer`, in the strategy's scope, before the first step."""
        steps.make_variables(optimizer, model.trainable_variables)

    @abc.abstractmethod
    def build_model(self) -> tf.keras.Model:
        """The model, with the same initial weights for the same `task.seed`.

        A functional model, or one that has been called: its variables exist, since the
        checkpoint is read into them before the first step. What must be in the
        checkpoint beside its variables is its property `checkpoint_items`, a dictionary.
        """

    @abc.abstractmethod
    def build_inputs(
        self,
        params: Any,
        input_context: tf.distribute.InputContext | None = None,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """Batches, in training without end and as from the step `first_step` on."""

    @abc.abstractmethod
    def train_step(self, inputs, model, optimizer, metrics=None) -> dict[str, tf.Tensor]:
        """One step on this replica.

        Returns:
          Logs: `self.loss` ("loss"), a scalar, and "finite", a boolean scalar that is equal
          on all replicas: whether loss and gradients were finite everywhere. A step that
          was not must have changed no trainable variable; see `trainers.engine.steps`.
        """

    def class_names(self) -> list[str]:
        """The training data's names of the classes, by label; empty where labels have none."""
        return []

    def probe(self, inputs, model) -> tuple[list[Named], list[Named]]:
        """Where to look for values that are not finite; called within a replica.

        Returns:
          Outputs with their layer's name, in the order of computation, and gradients (or
          None) with their variable's name, in the order of the forward pass.
        """
        del inputs, model
        return [], []
