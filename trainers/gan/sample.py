"""Draws images from a trained generator.

    python -m trainers.gan.sample --model_dir=DIR --output=samples.png [--truncation=T]

Writes one PNG with a column for each of up to ten classes, with --rows images of each. Small
images are enlarged.
"""

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    command.define_model_flags()
    flags.DEFINE_string("output", None, "PNG file to write. Required.", required=True)
    flags.DEFINE_integer("rows", 8, "Images of each class.")
    flags.DEFINE_float("truncation", None, "Another truncation than the configuration's.")
    command.run_module(
        "trainers.gan.sample",
        checks.new_file("output"),
        checks.at_least_one("rows"),
        checks.trained_model("gan"),
    )

import numpy as np
import tensorflow as tf

from trainers.errors import TrainersError
from trainers.gan import sampling
from trainers.gan.export import restore

_COLUMNS, _SIDE = 10, 32


def draw(
    model_dir: str, rows: int, checkpoint: str = "", truncation: float | None = None
) -> np.ndarray:
    """A grid of samples as one uint8 image (height, width, channels).

    Raises:
      TrainersError: when there is no trained GAN, or `rows` is below 1.
    """
    if rows < 1:
        raise TrainersError(f"`rows` must be at least 1. Received: rows={rows}")
    _, task, model = restore(model_dir, checkpoint, truncation)
    sampler, classes = task.sampler(model), task.task_config.model.num_classes
    columns = min(classes, _COLUMNS)
    images = sampler.images(rows * classes)
    labels = sampler.labels(len(images))
    return sampling.grid(images[labels < columns], columns)


def save(image: np.ndarray, side: int, path: str) -> tuple[int, int]:
    """Writes a PNG; pixels become squares where images of `side` pixels are small.

    Returns:
      The file's height and width in pixels.
    """
    times = max(1, _SIDE // side)
    large = image.repeat(times, 0).repeat(times, 1)
    tf.io.write_file(path, tf.io.encode_png(large))
    return large.shape[0], large.shape[1]


def main(_: list[str]) -> None:
    """Draws and writes the images that the flags ask for."""
    values = flags.FLAGS
    image = draw(values.model_dir, values.rows, values.checkpoint, values.truncation)
    height, width = save(image, image.shape[0] // values.rows, values.output)
    print(f"{values.output}: {width}x{height} pixels")
