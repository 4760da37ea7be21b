"""`Controller`, the outer loop: checkpoints, evaluations, summaries and what is printed."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.platform.own.trainer import Trainer

# What TensorBoard knows a curve by; `tf.summary.scalar` needs TensorBoard itself to be installed.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
)
Action = Callable[[dict[str, Any]], None]


class Controller:
    """Runs a trainer, as Orbit's controller does for tf-models-official.

    Args:
      trainer: the trainer.
      checkpoints: restores the newest checkpoint here, and saves others.
      steps_per_loop: steps between two outputs.
      train_events, eval_events: writers of TensorBoard events.
      train_actions: called with the results of each loop of steps.
      eval_actions: called with the results of each evaluation.
    """

    def __init__(
        self,
        trainer: Trainer,
        checkpoints: tf.train.CheckpointManager,
        *,
        steps_per_loop: int,
        train_events: tf.summary.SummaryWriter,
        eval_events: tf.summary.SummaryWriter,
        train_actions: Sequence[Action] = (),
        eval_actions: Sequence[Action] = (),
    ):
        """Restores the newest checkpoint, if there is one."""
        self._trainer, self._checkpoints = trainer, checkpoints
        self._steps_per_loop = steps_per_loop
        self._train_events, self._eval_events = train_events, eval_events
        self._train_actions, self._eval_actions = list(train_actions), list(eval_actions)
        path = checkpoints.restore_or_initialize()
        if path:
            print(f"restored from checkpoint: {path}", flush=True)

    @property
    def _step(self) -> int:
        return int(self._trainer.global_step.numpy())

    def train(self, steps: int) -> None:
        """Trains until a step; saves a checkpoint then too."""
        self._train_until(steps)
        self._save(check_interval=False)

    def train_and_evaluate(self, train_steps: int, eval_steps: int, eval_interval: int) -> None:
        """Trains until a step, with evaluations in between and at the end."""
        while self._step < train_steps:
            self._train_until(min(train_steps, self._step + eval_interval))
            self.evaluate(eval_steps)
        self._save(check_interval=False)

    def evaluate(self, steps: int) -> None:
        """Evaluates a number of batches; -1 for all."""
        start = time.monotonic()
        logs = self._trainer.evaluate(steps)
        for action in self._eval_actions:
            action(logs)
        values = _values(logs)
        seconds = time.monotonic() - start
        print(f" eval | step: {self._step: 6d} | {seconds:.1f} s | {_text(values)}", flush=True)
        self._write(self._eval_events, values)

    def evaluate_continuously(
        self, steps: int, timeout: float, timeout_fn: Callable[[], bool]
    ) -> None:
        """Evaluates each new checkpoint.

        Args:
          steps: batches of an evaluation; -1 for all.
          timeout: seconds to wait for a checkpoint.
          timeout_fn: called then; returns whether to stop.
        """
        for path in tf.train.checkpoints_iterator(
            self._checkpoints.directory, timeout=timeout, timeout_fn=timeout_fn
        ):
            self._checkpoints.checkpoint.restore(path).expect_partial()
            self.evaluate(steps)

    def _train_until(self, last: int) -> None:
        while self._step < last:
            first, start = self._step, time.monotonic()
            steps = min(last - first, self._steps_per_loop)
            logs = self._trainer.train(tf.constant(steps))
            for action in self._train_actions:
                action(logs)
            values = _values(logs)
            values["steps_per_second"] = (self._step - first) / (time.monotonic() - start)
            print(f"train | step: {self._step: 6d} | {_text(values)}", flush=True)
            self._write(self._train_events, values)
            self._save(check_interval=True)

    def _save(self, check_interval: bool) -> None:
        path = self._checkpoints.save(self._step, check_interval=check_interval)
        if path is not None:
            print(f"saved checkpoint to {path}", flush=True)

    def _write(self, events: tf.summary.SummaryWriter, values: dict[str, Any]) -> None:
        with events.as_default(step=self._step):
            for name, value in values.items():
                tf.summary.write(name, tf.cast(value, tf.float32), metadata=_SCALAR)
        events.flush()


def _values(logs: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value)[()] for name, value in logs.items()}


def _text(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {float(value):.6g}" for name, value in values.items())
