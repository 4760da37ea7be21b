"""Classes of image files by a trained classifier; `python -m trainers.predict` is the command."""

import numpy as np
import tensorflow as tf
from absl import flags

from trainers import checks, command
from trainers.classification import class_names
from trainers.classification.task import ClassificationTask
from trainers.data import augment
from trainers.engine import restoring
from trainers.errors import reason


def predict(model_dir: str, files: list[str], checkpoint: str = "") -> np.ndarray:
    """Probabilities (files, classes).

    Args:
      model_dir: a folder that `trainers.train` wrote.
      files: paths of images.
      checkpoint: another checkpoint than the newest.

    Raises:
      TrainersError: for a file that is missing or no image; names it.
    """
    params, task, model = restoring.restore(model_dir, ClassificationTask, checkpoint)
    size = list(params.task.model.input_size)
    probabilities = []
    for file in files:
        image = _decoded(file, size[2])
        image = augment.evaluation_image(image, params.task.validation_data, size)
        logits = task.logits(image[None], model, training=False)
        probabilities.append(tf.nn.softmax(logits)[0].numpy())
    return np.stack(probabilities)


def line(file: str, probabilities: np.ndarray, names: list[str], top: int) -> str:
    """A file and its `top` likeliest classes, as "name:probability"."""
    likeliest = np.argsort(-probabilities)[:top]
    return " ".join([file, *(f"{names[label]}:{probabilities[label]:.4f}" for label in likeliest)])


def _decoded(file: str, channels: int) -> tf.Tensor:
    try:
        return tf.io.decode_image(tf.io.read_file(file), channels, expand_animations=False)
    except tf.errors.OpError as error:
        raise checks.no_image(file, reason(error)) from error


def main(arguments: list[str]) -> None:
    """Prints the likeliest classes of each file."""
    files = command.named(arguments, "image file")
    probabilities = predict(flags.FLAGS.model_dir, files, flags.FLAGS.checkpoint)
    names = class_names.read(flags.FLAGS.model_dir, probabilities.shape[1])
    for file, row in zip(files, probabilities, strict=True):
        print(line(file, row, names, flags.FLAGS.top))
