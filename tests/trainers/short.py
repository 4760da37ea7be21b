"""What short trainings of every kind share."""

import trainers.tasks  # noqa: F401  (registers every kind of experiment)

# isort: split
import tensorflow as tf

from trainers.engine import kinds


def four_steps(params, **trainer):
    """Sets four steps, one at a time, each with a checkpoint; `trainer` overrides its fields."""
    settings = {
        "train_steps": 4,
        "validation_interval": 4,
        "steps_per_loop": 1,
        "summary_interval": 1,
        "checkpoint_interval": 1,
        "max_to_keep": 10,
    }
    for name, value in (settings | trainer).items():
        setattr(params.trainer, name, value)
    return params


def restored(folder, params):
    """The task and its model as in the folder's newest checkpoint."""
    task = kinds.find(params.kind).task(params.task)
    model = task.build_model()
    tf.train.Checkpoint(model=model).read(tf.train.latest_checkpoint(folder)).expect_partial()
    return task, model
