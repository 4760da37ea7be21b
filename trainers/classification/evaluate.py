"""Metrics of a trained classifier; `python -m trainers.evaluate` is the command."""

import json

import tensorflow as tf
from absl import flags

from trainers.classification.task import ClassificationTask
from trainers.data import inputs
from trainers.engine import restoring


def evaluate(
    model_dir: str, split: str = "", data_dir: str = "", checkpoint: str = ""
) -> dict[str, float]:
    """The metrics of a model folder's newest checkpoint.

    Args:
      model_dir: a folder that `trainers.train` wrote.
      split: another split than the configuration's.
      data_dir: another TFDS folder.
      checkpoint: another checkpoint than the newest.

    Raises:
      TrainersError: when model or data are missing or do not fit.
    """
    params, task, model = restoring.restore(model_dir, ClassificationTask, checkpoint)
    data = params.task.validation_data
    data.split, data.data_dir = split or data.split, data_dir or data.data_dir
    inputs.check(data, params.task.model, "task.validation_data")
    metrics = task.build_metrics(training=False)
    step = tf.function(lambda batch: task.validation_step(batch, model, metrics))
    for batch in task.build_inputs(data):
        step(batch)
    return {metric.name: float(metric.result()) for metric in metrics}


def main(_: list[str]) -> None:
    """Prints the metrics as JSON."""
    values = flags.FLAGS
    metrics = evaluate(values.model_dir, values.split, values.data_dir, values.checkpoint)
    print(json.dumps(metrics, indent=2))
