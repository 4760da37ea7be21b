"""Exports a trained generator for serving.

    python -m trainers.gan.export --model_dir=DIR --export_dir=DIR [--truncation=T]

Writes `saved_model`: the averaged generator with standing statistics. Its signature
serving_default maps `noise`, float32 (batch, noise size), and `labels`, int32 (batch,), to
`images`, uint8 (batch, height, width, channels) with pixels from 0 to 255. The file is loaded
and compared with the generator. The caller draws and truncates the noise; --truncation is the
truncation of the noise that the standing statistics are computed from.
"""

import os

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    command.define_export_flags()
    flags.DEFINE_float("truncation", None, "Another truncation than the configuration's.")
    command.run_module("trainers.gan.export", checks.trained_model("gan"))

import numpy as np
import tensorflow as tf

from trainers.engine import restoring, serving
from trainers.errors import TrainersError
from trainers.gan import sampling
from trainers.gan.config import GanExperimentConfig
from trainers.gan.model import Gan
from trainers.gan.task import GanTask

_COMPARED = 8


class Serving:
    """A generator that returns uint8 images.

    Args:
      generator: a model of (noise, labels).
    """

    def __init__(self, generator: tf.keras.Model):
        """Keeps the generator, whose weights the signature reads."""
        self.generator = generator

    def signature(self) -> tf.types.experimental.ConcreteFunction:
        """The concrete function to serve."""
        noise, _ = self.generator.inputs
        return self.images.get_concrete_function(
            tf.TensorSpec(noise.shape, tf.float32, "noise"),
            tf.TensorSpec((None,), tf.int32, "labels"),
        )

    @tf.function
    def images(self, noise: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Images with pixels from 0 to 255, as uint8."""
        images = self.generator([noise, labels], training=False)
        return {"images": sampling.to_uint8(tf.cast(images, tf.float32))}


def restore(
    model_dir: str, checkpoint: str = "", truncation: float | None = None
) -> tuple[GanExperimentConfig, GanTask, Gan]:
    """A trained GAN, its averaged generator with standing statistics.

    Args:
      model_dir: a folder that `trainers.train` wrote.
      checkpoint: another checkpoint than the newest.
      truncation: of the noise; None for the configuration's.

    Raises:
      TrainersError: when the folder has no GAN, or it cannot be read.
    """
    params, task, model = restoring.restore(model_dir, GanTask, checkpoint)
    if truncation is not None:
        task.task_config.truncation = truncation
    task.sampler(model).set_standing_statistics(task.task_config.standing_batches)
    return params, task, model


def export(
    model_dir: str, export_dir: str, checkpoint: str = "", truncation: float | None = None
) -> None:
    """Exports a generator and compares what was written with it.

    Raises:
      TrainersError: when there is nothing to export, or the loaded generator draws other images.
    """
    params, _, model = restore(model_dir, checkpoint, truncation)
    served = Serving(model.averaged)
    path = os.path.join(export_dir, "saved_model")
    serving.save(path, model.averaged, {"serving_default": served.signature()})
    config = params.task.model
    noise = sampling.noise((_COMPARED, config.noise_size), [0, 0])
    labels = tf.range(_COMPARED) % config.num_classes
    expected = served.images(noise, labels)["images"].numpy().astype(int)
    loaded = tf.saved_model.load(path).signatures["serving_default"]
    images = loaded(noise=noise, labels=labels)["images"].numpy()
    worst = np.abs(images - expected).max()
    if worst > 1:  # more than rounding explains
        raise TrainersError(f"{path} does not compute what the model does: off by {worst} of 255")
    print(f"{path}: loaded again, pixels equal within 1 of 255")


def main(_: list[str]) -> None:
    """Exports the generator that the flags select."""
    values = flags.FLAGS
    export(values.model_dir, values.export_dir, values.checkpoint, values.truncation)
