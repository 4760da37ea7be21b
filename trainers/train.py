"""Trains and evaluates an experiment.

    python -m trainers.train --experiment=NAME --mode=train_and_eval --model_dir=DIR

Flags are tf-models-official's: --mode is train, eval, train_and_eval or continuous_eval;
--config_file and --params_override change the experiment; --tpu names a TPU. A training
that was stopped resumes from its last checkpoint when the same command is given again.
"""

from typing import Any

from trainers.experiments.arguments import MODES, command_line

if __name__ == "__main__":
    command_line()

import os

import numpy as np
import tensorflow as tf
from absl import flags, logging

import trainers.tasks  # noqa: F401  (registers every kind of experiment)
from trainers.engine import distribution, kinds, parameters
from trainers.engine.config import ExperimentConfig
from trainers.engine.runner import Runner
from trainers.errors import TrainersError
from trainers.experiments import parsing
from trainers.platform import configs, precision

__all__ = ["LastEvaluation", "command_line", "main", "run", "tidy_output"]


def run(params: ExperimentConfig, mode: str, model_dir: str) -> dict[str, float]:
    """Runs an experiment in a mode; returns the last evaluation's metrics, if there was one.

    Raises:
      TrainersError: for settings, data or a model folder that cannot be used.
      TrainingDivergedError: when the loss or a gradient is not finite.
    """
    if mode not in MODES:
        raise TrainersError(f"`mode` must be one of {', '.join(MODES)}. Received: mode={mode!r}")
    strategy = distribution.build_strategy(params.runtime)
    parameters.check_model_dir(params, model_dir)
    parameters.check_data(params, mode, strategy.num_replicas_in_sync)
    # Set even for float32: a policy holds for the whole process.
    policy = precision.policy_of(params.runtime.mixed_precision_dtype)
    tf.keras.mixed_precision.set_global_policy(policy)
    chief = strategy.extended.should_checkpoint
    if "train" in mode and chief:
        tf.io.gfile.makedirs(model_dir)
        configs.save(params, os.path.join(model_dir, "params.yaml"))
    with strategy.scope():
        task = kinds.find(params.kind).task(params.task, logging_dir=model_dir)
    if "train" in mode and chief:
        task.write_assets(model_dir)
    recorder = LastEvaluation()
    runner = Runner(
        distribution_strategy=strategy,
        task=task,
        mode=mode,
        params=params,
        model_dir=model_dir,
        save_summary=chief,
        eval_actions=[recorder],
    )
    runner.run()
    return recorder.metrics


def tidy_output() -> None:
    """Silences Orbit's log, which repeats what it prints, and prints NumPy scalars as numbers."""
    logging.get_absl_handler().addFilter(
        lambda record: (
            record.levelno > logging.converter.absl_to_standard(logging.INFO)
            or not record.pathname.endswith(os.path.join("orbit", "controller.py"))
        )
    )
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        np.set_printoptions(legacy="1.25")


class LastEvaluation:
    """An action after each evaluation that keeps its metrics."""

    def __init__(self) -> None:
        """Starts without metrics."""
        self.metrics: dict[str, float] = {}

    def __call__(self, output: dict[str, Any]) -> None:
        """Keeps the scalars; the other outputs are images for TensorBoard."""
        scalars = {n: v for n, v in output.items() if not isinstance(v, dict) and np.ndim(v) == 0}
        self.metrics = {name: float(value) for name, value in scalars.items()}


def main(_: list[str]) -> None:
    """Runs what the flags say."""
    tidy_output()
    metrics = run(parsing.parse(flags.FLAGS), flags.FLAGS.mode, flags.FLAGS.model_dir)
    for name, value in sorted(metrics.items()):
        print(f"{name:20} {value:.6g}")
