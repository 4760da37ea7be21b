"""`BestCheckpoint` keeps the checkpoint of the best evaluation."""

import json
import os
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.errors import TrainersError
from trainers.platform.own.experiment_config import TrainerConfig

_ORDERS = ("higher", "lower")


class BestCheckpoint:
    """Saves the checkpoint of an evaluation that is better than all before, also of earlier runs.

    `info.json` in the folder has the metrics of the best evaluation and its step.

    Args:
      folder: the folder to write.
      metric: name of the metric that decides.
      order: "higher" or "lower" is better.

    Raises:
      TrainersError: for another order.
    """

    def __init__(self, folder: str, metric: str, order: str):
        """Reads the best evaluation so far."""
        if order not in _ORDERS:
            raise TrainersError(
                f"`trainer.best_checkpoint_metric_comp` must be one of {', '.join(_ORDERS)}. "
                f"Received: best_checkpoint_metric_comp={order!r}"
            )
        self._export_dir, self._metric, self._order = folder, metric, order
        self._manager: tf.train.CheckpointManager | None = None
        self._best: dict[str, float] | None = None
        tf.io.gfile.makedirs(folder)
        if tf.io.gfile.exists(self._record):
            with tf.io.gfile.GFile(self._record) as file:
                self._best = json.load(file)

    @property
    def _record(self) -> str:
        return os.path.join(self._export_dir, "info.json")

    def maybe_export(
        self, checkpoint: tf.train.Checkpoint, logs: dict[str, Any], step: int
    ) -> dict[str, float]:
        """Saves the checkpoint if its evaluation is the best.

        Returns:
          The best value of the metric so far, named "best_" and the metric.

        Raises:
          TrainersError: for a metric that the evaluation does not have.
        """
        if self._metric not in logs:
            raise TrainersError(
                f"`trainer.best_checkpoint_eval_metric` must be one of {', '.join(logs)}. "
                f"Received: best_checkpoint_eval_metric={self._metric!r}"
            )
        if self._is_best(float(logs[self._metric])):
            values = {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}
            self._best = {**values, "best_ckpt_global_step": float(step)}
            with tf.io.gfile.GFile(self._record, "w") as file:
                file.write(json.dumps(self._best, indent=4) + "\n")
            self._manager_of(checkpoint).save()
        assert self._best is not None
        return {f"best_{self._metric}": self._best[self._metric]}

    def _is_best(self, value: float) -> bool:
        if self._best is None:
            return True
        best = self._best[self._metric]
        return value > best if self._order == "higher" else value < best

    def _manager_of(self, checkpoint: tf.train.Checkpoint) -> tf.train.CheckpointManager:
        if self._manager is None:
            self._manager = tf.train.CheckpointManager(
                checkpoint, self._export_dir, max_to_keep=1, checkpoint_name="best_ckpt"
            )
        return self._manager


def of(config: TrainerConfig, model_dir: str) -> BestCheckpoint | None:
    """The configured `BestCheckpoint`, or None if no folder and metric are configured."""
    folder, metric = config.best_checkpoint_export_subdir, config.best_checkpoint_eval_metric
    if not folder or not metric:
        return None
    path = os.path.join(model_dir, folder)
    return BestCheckpoint(path, metric, config.best_checkpoint_metric_comp)
