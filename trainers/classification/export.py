"""Exports of a trained classifier: a SavedModel and a Keras file, compared with the model.

`python -m trainers.export` is the command, and describes what is written.
"""

import os

import numpy as np
import tensorflow as tf
from absl import flags

from trainers.classification import class_names
from trainers.classification.config import ExperimentConfig
from trainers.classification.task import ClassificationTask
from trainers.data import augment
from trainers.engine import restoring, serving
from trainers.errors import TrainersError

_TOLERANCE = 1e-4


class Serving:
    """A model preceded by its image preprocessing.

    Args:
      params: the experiment's configuration.
      task: its task.
      model: its trained model.
      names: names of the classes, by label.
    """

    def __init__(
        self,
        params: ExperimentConfig,
        task: ClassificationTask,
        model: tf.keras.Model,
        names: list[str],
    ):
        """Keeps what the served functions read."""
        self.model = model
        self._names = tf.constant(names)
        self._task = task
        self._data = params.task.validation_data
        self._size = list(params.task.model.input_size)

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """The concrete functions to serve."""
        channels = self._size[2]
        images = tf.TensorSpec((None, None, None, channels), tf.uint8, "images")
        encoded = tf.TensorSpec((None,), tf.string, "encoded")
        return {
            "serving_default": self.of_images.get_concrete_function(images),
            "jpeg": self.of_jpeg.get_concrete_function(encoded),
        }

    @tf.function
    def of_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The model's outputs for uint8 images."""
        if self._data.crop == "inception":
            images = tf.map_fn(self._cropped, images, fn_output_signature=tf.float32)
        return self._outputs(images)

    @tf.function
    def of_jpeg(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        """The model's outputs for JPEG files."""
        return self._outputs(tf.map_fn(self._decoded, encoded, fn_output_signature=tf.float32))

    def _outputs(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = self._task.logits(images, self.model, training=False)
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "label": tf.gather(self._names, tf.argmax(logits, -1)),
        }

    def _decoded(self, encoded: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(encoded, channels=self._size[2])
        if self._data.crop == "inception":
            return self._cropped(image)
        return tf.cast(image, tf.float32)

    def _cropped(self, image: tf.Tensor) -> tf.Tensor:
        return augment.centre_crop(image, self._size, self._data.center_fraction)


def export(model_dir: str, export_dir: str, checkpoint: str = "") -> None:
    """Exports a model and compares what was written with it.

    Raises:
      TrainersError: when there is nothing to export, or a loaded file computes other logits.
    """
    params, task, model = restoring.restore(model_dir, ClassificationTask, checkpoint)
    names = class_names.read(model_dir, params.task.model.num_classes)
    served = Serving(params, task, model, names)
    saved_model = os.path.join(export_dir, "saved_model")
    keras_file = os.path.join(export_dir, "model.keras")
    tf.io.gfile.makedirs(export_dir)
    serving.save(saved_model, model, served.signatures())
    _with_normalization(params, model).save(keras_file)
    class_names.write(export_dir, names)
    _compare(params, served, saved_model, keras_file)


def _with_normalization(params: ExperimentConfig, model: tf.keras.Model) -> tf.keras.Model:
    """The model preceded by a layer that normalizes pixels from 0 to 255."""
    config = params.task.model
    images = tf.keras.Input(model.input_shape[1:], name="pixels")
    scaled = tf.keras.layers.Normalization(
        mean=list(config.mean), variance=[x**2 for x in config.stddev], dtype="float32"
    )(images)
    return tf.keras.Model(images, model(scaled), name=f"{model.name}_of_pixels")


def _compare(params: ExperimentConfig, served: Serving, saved_model: str, keras_file: str) -> None:
    rng = np.random.default_rng(0)
    size = [2, *params.task.model.input_size]
    images = tf.constant(rng.integers(256, size=size).astype(np.uint8))
    expected = served.of_images(images)["logits"].numpy()
    loaded = tf.saved_model.load(saved_model).signatures["serving_default"]
    results = {saved_model: loaded(images=images)["logits"].numpy()}
    if params.task.validation_data.crop != "inception":
        pixels = tf.cast(images, tf.float32)
        results[keras_file] = tf.keras.models.load_model(keras_file)(pixels).numpy()
    for path, result in results.items():
        if not np.allclose(result, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
            worst = np.abs(result - expected).max()
            raise TrainersError(f"{path} does not compute what the model does: off by {worst}")
        print(f"{path}: loaded again, logits equal within {_TOLERANCE}")


def main(_: list[str]) -> None:
    """Exports the model that the flags select."""
    export(flags.FLAGS.model_dir, flags.FLAGS.export_dir, flags.FLAGS.checkpoint)
