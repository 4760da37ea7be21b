"""Runs experiments so that all workers resume, and training stops at NaN."""

import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from trainers.engine.base import EngineTask
from trainers.engine.divergence import StopWhenNotFinite
from trainers.engine.trainer import Trainer
from trainers.errors import TrainersError, reason
from trainers.platform import training

_UNREADABLE = (
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.OutOfRangeError,
    IndexError,  # the checkpoint reader raises it for OutOfRangeError
)


class Runner(training.Runner):
    """Runs an experiment; arguments as for `trainers.platform.training.Runner`.

    Workers other than the chief write to a scratch folder, but restore from the shared one,
    since otherwise the workers of a resumed job would begin at different steps.
    """

    def __init__(
        self, *, train_actions: Sequence[Callable[..., Any]] | None = None, **kwargs: Any
    ) -> None:
        """Adds to the given actions one that stops at values that are not finite."""
        self._own_actions = list(train_actions or [])
        super().__init__(train_actions=self._own_actions, **kwargs)

    def _build_trainer(self, task: EngineTask, train: bool, evaluate: bool) -> Trainer:
        with self.strategy.scope():
            return Trainer(
                self.params, task, train, evaluate, self._build_best_checkpoint_exporter()
            )

    def _build_best_checkpoint_exporter(self) -> Any:
        exporter = super()._build_best_checkpoint_exporter()
        if exporter is not None and not self.strategy.extended.should_checkpoint:
            # All workers take part in saving. This one has read the best result from the shared
            # folder, so that all agree on what is best, but must not write there.
            exporter._export_dir = tempfile.mkdtemp()
        return exporter

    def _maybe_build_checkpoint_manager(self) -> tf.train.CheckpointManager:
        chief = self.strategy.extended.should_checkpoint
        manager = SharedCheckpointManager(
            self.trainer.checkpoint,
            directory=self.model_dir if chief else tempfile.mkdtemp(),
            max_to_keep=self.params.trainer.max_to_keep if chief else 1,
            step_counter=self.trainer.global_step,
            checkpoint_interval=self.params.trainer.checkpoint_interval,
            init_fn=self.trainer.initialize,
        )
        manager.shared_directory = self.model_dir
        self._own_actions.insert(0, StopWhenNotFinite(self.trainer, manager.latest_shared))
        return manager

    def run(self) -> None:
        """Trains or evaluates.

        Raises:
          TrainersError: for a corrupt record, with the last good checkpoint.
        """
        try:
            with self.strategy.scope():
                self._run_mode()
        except tf.errors.DataLossError as error:
            latest = self.checkpoint_manager.latest_shared() or "none was written"
            name = self.trainer.task.data_name(self.params.task.train_data)
            raise TrainersError(
                f"a record of {name!r} (or of the validation data) is corrupt; prepare the "
                f"data set again. Last good checkpoint: {latest}. TensorFlow says: {reason(error)}"
            ) from error

    def _step(self) -> int:
        # With several replicas the step is a distributed variable, not a number.
        return int(self.trainer.global_step.numpy())

    def _run_mode(self) -> None:
        settings, controller = self.params.trainer, self.controller
        step = self._step()
        if "train" in self._mode and step >= settings.train_steps:
            print(
                f"{self.model_dir}: trained already, {step} of {settings.train_steps} steps; "
                "--mode=eval evaluates it, a larger trainer.train_steps goes on"
            )
            return
        if self._mode == "train":
            controller.train(steps=settings.train_steps)
        elif self._mode == "train_and_eval":
            controller.train_and_evaluate(
                train_steps=settings.train_steps,
                eval_steps=settings.validation_steps,
                eval_interval=settings.validation_interval,
            )
        elif self._mode == "eval":
            controller.evaluate(steps=settings.validation_steps)
        else:
            controller.evaluate_continuously(
                steps=settings.validation_steps,
                timeout=settings.continuous_eval_timeout,
                timeout_fn=lambda: self._step() >= settings.train_steps,
            )


class SharedCheckpointManager(tf.train.CheckpointManager):
    """Restores from a folder that all workers read, and skips damaged checkpoints."""

    shared_directory: str = ""

    def latest_shared(self) -> str | None:
        """Path of the newest checkpoint in the shared folder."""
        return tf.train.latest_checkpoint(self.shared_directory)

    def restore_or_initialize(self) -> str | None:
        """Restores the newest readable checkpoint, or initializes the model if there is none.

        Raises:
          TrainersError: when there are checkpoints but none can be read, or they are of
            another model.
        """
        state = tf.train.get_checkpoint_state(self.shared_directory)
        paths = list(state.all_model_checkpoint_paths) if state else []
        for path in reversed(paths):
            try:
                status = self.checkpoint.restore(path)
                status.expect_partial().assert_existing_objects_matched()
            except _UNREADABLE as error:
                logging.warning(
                    "Checkpoint %s cannot be read, trying an older one: %s", path, error
                )
                continue
            except (AssertionError, ValueError) as error:
                raise TrainersError(
                    f"`model_dir` holds a checkpoint of another model or optimizer ({path}); "
                    f"choose an empty folder: {reason(error)}"
                ) from error
            return path
        if paths:
            raise TrainersError(f"no checkpoint in {self.shared_directory} can be read")
        if self._init_fn is not None:
            self._init_fn()
        return None
