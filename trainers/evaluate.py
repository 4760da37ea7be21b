"""Evaluates a trained model.

    python -m trainers.evaluate --model_dir=DIR [--split=test] [--checkpoint=PATH]

Every image of the split counts once. The split and the rest are those of the model's own
validation data unless flags say otherwise.
"""

import json

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    command.define_model_flags()
    flags.DEFINE_string("split", "", "Another split than the model's validation data.")
    flags.DEFINE_string("data_dir", "", "Where TFDS keeps its data.")
    command.run_module("trainers.evaluate", checks.trained_model())

import tensorflow as tf

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
    params, task, model = restoring.restore(model_dir, checkpoint)
    data = params.task.validation_data
    data.split, data.data_dir = split or data.split, data_dir or data.data_dir
    inputs.check(data, params.task.model, "task.validation_data")
    metrics = task.build_metrics(training=False)
    step = tf.function(lambda batch: task.validation_step(batch, model, metrics))
    for batch in task.build_inputs(data):
        step(batch)
    return {metric.name: float(metric.result()) for metric in metrics}


def main(_) -> None:
    """Prints the metrics as JSON."""
    values = flags.FLAGS
    metrics = evaluate(values.model_dir, values.split, values.data_dir, values.checkpoint)
    print(json.dumps(metrics, indent=2))
