"""A trained model from its folder."""

import os

import tensorflow as tf
from official.core import task_factory

from trainers import checks
from trainers.configs.experiment import ExperimentConfig
from trainers.engine import parameters
from trainers.engine.base import EngineTask
from trainers.errors import TrainersError, reason


def restore(
    model_dir: str, checkpoint: str = "", kind: str = "classification"
) -> tuple[ExperimentConfig, EngineTask, tf.keras.Model]:
    """The configuration, task and model of a model folder, with the checkpoint's weights.

    Args:
      model_dir: a folder that `trainers.train` wrote.
      checkpoint: path of another checkpoint than the newest. Moving averages of the
        weights, where they are kept, are preferred to the newest checkpoint.
      kind: of the experiments that the caller can use; see `trainers.engine.kinds`.

    Raises:
      TrainersError: when there is no configuration or no checkpoint, they do not match, or
        the model is of another kind.
    """
    params = parameters.load(os.path.join(model_dir, "params.yaml"))
    check_kind(params, kind, model_dir)
    task = task_factory.get_task(params.task)
    model = task.build_model()
    path = checkpoint or newest(model_dir)
    try:
        status = tf.train.Checkpoint(model=model).read(path)
        status.expect_partial().assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
        raise TrainersError(
            f"the checkpoint {path} cannot be read into the model: {reason(error)}"
        ) from error
    return params, task, model


def check_kind(params: ExperimentConfig, kind: str, model_dir: str) -> None:
    """Raises TrainersError for a model folder of another kind of experiment."""
    if params.kind != kind:
        raise checks.wrong_kind(params.kind, kind, model_dir)


def newest(model_dir: str) -> str:
    """Path of the newest checkpoint; that of the averaged weights where there is one."""
    folders = (os.path.join(model_dir, "ema_checkpoints"), model_dir)
    found = next(filter(None, map(tf.train.latest_checkpoint, folders)), None)
    if found is None:
        raise checks.no_checkpoint(model_dir)
    return found
