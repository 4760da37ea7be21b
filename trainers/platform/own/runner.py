"""`Runner`, which puts trainer, checkpoints, summaries and the outer loop together."""

import abc
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainers.platform.own import best_checkpoint
from trainers.platform.own.best_checkpoint import BestCheckpoint
from trainers.platform.own.controller import Action, Controller
from trainers.platform.own.experiment_config import ExperimentConfig
from trainers.platform.own.moving_average import ExponentialMovingAverage
from trainers.platform.own.task import Task
from trainers.platform.own.trainer import Trainer


class Runner(abc.ABC):
    """Runs an experiment; a subclass builds the trainer and the manager of checkpoints.

    Args:
      distribution_strategy: the devices.
      task: the task.
      mode: "train", "eval", "train_and_eval" or "continuous_eval".
      params: the experiment's configuration.
      model_dir: folder of checkpoints and events.
      save_summary: whether this process writes events.
      train_actions: called with the results of each loop of steps.
      eval_actions: called with the results of each evaluation.
    """

    def __init__(
        self,
        *,
        distribution_strategy: tf.distribute.Strategy,
        task: Task,
        mode: str,
        params: ExperimentConfig,
        model_dir: str,
        save_summary: bool,
        train_actions: Sequence[Action],
        eval_actions: Sequence[Action],
    ):
        """Builds everything, and restores the newest checkpoint."""
        self.strategy, self.params, self.model_dir = distribution_strategy, params, model_dir
        self._mode = mode
        self.trainer = self._build_trainer(task, train="train" in mode, evaluate="eval" in mode)
        self.checkpoint_manager = self._maybe_build_checkpoint_manager()
        with self.strategy.scope():
            self.controller = Controller(
                self.trainer,
                self.checkpoint_manager,
                steps_per_loop=params.trainer.steps_per_loop,
                train_events=self._events("train", save_summary),
                eval_events=self._events(params.trainer.validation_summary_subdir, save_summary),
                train_actions=train_actions,
                eval_actions=[*eval_actions, *self._averages_actions()],
            )

    def _events(self, folder: str, write: bool) -> tf.summary.SummaryWriter:
        if not write:
            return tf.summary.create_noop_writer()
        return tf.summary.create_file_writer(os.path.join(self.model_dir, folder))

    def _averages_actions(self) -> list[Action]:
        """Saves the averages of the weights after each evaluation, if there are any."""
        optimizer = self.trainer.optimizer
        if not isinstance(optimizer, ExponentialMovingAverage):
            return []
        manager = tf.train.CheckpointManager(
            self.trainer.checkpoint,
            os.path.join(self.checkpoint_manager.directory, "ema_checkpoints"),
            max_to_keep=self.params.trainer.max_to_keep,
            checkpoint_name="average_weights",
        )

        def save(_: dict[str, Any]) -> None:
            optimizer.swap_weights()
            manager.save(int(self.trainer.global_step.numpy()))
            optimizer.swap_weights()

        return [save]

    @abc.abstractmethod
    def _build_trainer(self, task: Task, train: bool, evaluate: bool) -> Trainer:
        """The trainer of a task, built in the strategy's scope."""

    def _build_best_checkpoint_exporter(self) -> BestCheckpoint | None:
        return best_checkpoint.of(self.params.trainer, self.model_dir)

    @abc.abstractmethod
    def _maybe_build_checkpoint_manager(self) -> tf.train.CheckpointManager:
        """The manager of the trainer's checkpoints."""
