"""A trained model from its folder."""

import os
from typing import TypeVar

import tensorflow as tf

from trainers import checks
from trainers.engine import kinds, parameters
from trainers.engine.base import EngineTask
from trainers.engine.config import ExperimentConfig
from trainers.errors import TrainersError, reason

Task = TypeVar("Task", bound=EngineTask)


def restore(
    model_dir: str, task_class: type[Task], checkpoint: str = ""
) -> tuple[ExperimentConfig, Task, tf.keras.Model]:
    """The configuration, task and model of a model folder, with the checkpoint's weights.

    The model is one for inference; see `EngineTask.in_inference`.

    Args:
      model_dir: a folder that `trainers.train` wrote.
      task_class: the task whose models the caller can use.
      checkpoint: path of another checkpoint than the newest. Moving averages of the
        weights, where they are kept, are preferred to the newest checkpoint.

    Raises:
      TrainersError: when there is no configuration or no checkpoint, they do not match, or
        the model is one of another task.
    """
    params = configuration(model_dir, task_class)
    task = task_class(task_class.in_inference(params.task))
    model = task.build_model()
    path = checkpoint or newest(model_dir)
    try:
        status = tf.train.Checkpoint(model=model).read(path)
        status.expect_partial().assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
        raise TrainersError(
            f"the checkpoint {path} cannot be read into the model, which must be of the Keras "
            f"that wrote it, 2 or 3: {reason(error)}"
        ) from error
    return params, task, model


def configuration(model_dir: str, task_class: type[EngineTask]) -> ExperimentConfig:
    """The configuration of a model folder.

    Raises:
      TrainersError: when there is none, or it is one of another task.
    """
    path = os.path.join(model_dir, "params.yaml")
    return parameters.load(path, kinds.name_of(task_class))


def newest(model_dir: str) -> str:
    """Path of the newest checkpoint; that of the averaged weights where there is one."""
    folders = (os.path.join(model_dir, "ema_checkpoints"), model_dir)
    path = next(filter(None, map(tf.train.latest_checkpoint, folders)), None)
    if path is None:
        raise checks.no_checkpoint(model_dir)
    return path
