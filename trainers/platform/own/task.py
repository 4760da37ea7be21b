"""`Task`, the base class of what the engine trains."""

from typing import Any

import tensorflow as tf
from absl import logging

from trainers.platform.own import optimizers
from trainers.platform.own.experiment_config import RuntimeConfig
from trainers.platform.own.optimization_config import OptimizationConfig


class Task:
    """A task: what `trainers.engine.base.EngineTask` has from tf-models-official otherwise.

    Args:
      params: the task's configuration.
      logging_dir: the model folder.

    Attributes:
      loss: key of the loss in the logs of a step.
    """

    loss = "loss"

    def __init__(self, params: Any, logging_dir: str = ""):
        """Keeps the configuration."""
        self.task_config = params
        self.logging_dir = logging_dir

    @classmethod
    def create_optimizer(
        cls, optimizer_config: OptimizationConfig, runtime_config: RuntimeConfig | None = None
    ) -> Any:
        """The configured optimizer, with a loss scale for float16.

        Raises:
          TrainersError: for what only tf-models-official has.
        """
        optimizer = optimizers.create(optimizer_config)
        if runtime_config is not None and runtime_config.mixed_precision_dtype == "float16":
            return optimizers.with_loss_scale(optimizer, runtime_config.loss_scale)
        return optimizer

    def initialize(self, model: tf.keras.Model) -> None:
        """Reads `init_checkpoint`, if one is configured, into a model that begins its training."""
        path = self.task_config.init_checkpoint
        if path and tf.io.gfile.isdir(path):
            path = tf.train.latest_checkpoint(path)
        if not path:
            return
        items = getattr(model, "checkpoint_items", {"model": model})
        status = tf.train.Checkpoint(**items).read(path)
        status.expect_partial().assert_existing_objects_matched()
        logging.info("The model begins with the checkpoint %s", path)

    def aggregate_logs(self, state: Any, step_logs: Any) -> Any:
        """Adds what `validation_step` returned to the state of an evaluation; nothing by default.

        Args:
          state: what the last call returned; None at first.
          step_logs: the logs of a step, of each replica.
        """
        del state, step_logs
        return None

    def reduce_aggregated_logs(
        self, aggregated_logs: Any, global_step: tf.Variable | None = None
    ) -> dict[str, Any]:
        """Metrics of an evaluation from its last state; none by default."""
        del aggregated_logs, global_step
        return {}
