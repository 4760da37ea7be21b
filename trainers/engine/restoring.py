"""A trained model from its folder."""

import os

import tensorflow as tf

from trainers.configs.classification import ExperimentConfig
from trainers.engine import parameters
from trainers.engine.task import ClassificationTask
from trainers.errors import TrainersError


def restore(
    model_dir: str, checkpoint: str = ""
) -> tuple[ExperimentConfig, ClassificationTask, tf.keras.Model]:
    """The configuration, task and model of a model folder, with the checkpoint's weights.

    Args:
      model_dir: a folder that `trainers.train` wrote.
      checkpoint: path of another checkpoint than the newest. Moving averages of the
        weights, where they are kept, are preferred to the newest checkpoint.

    Raises:
      TrainersError: when there is no configuration or no checkpoint, or they do not match.
    """
    params = parameters.load(os.path.join(model_dir, "params.yaml"))
    task = ClassificationTask(params.task)
    model = task.build_model()
    path = checkpoint or newest(model_dir)
    try:
        status = tf.train.Checkpoint(model=model).read(path)
        status.expect_partial().assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
        raise TrainersError(
            f"the checkpoint {path} cannot be read into the model: {error}"
        ) from error
    return params, task, model


def newest(model_dir: str) -> str:
    """Path of the newest checkpoint; that of the averaged weights where there is one."""
    folders = (os.path.join(model_dir, "ema_checkpoints"), model_dir)
    found = next(filter(None, map(tf.train.latest_checkpoint, folders)), None)
    if found is None:
        raise TrainersError(f"`model_dir` holds no checkpoint. Received: model_dir={model_dir}")
    return found
