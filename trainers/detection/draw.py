"""Draws what trained Mask R-CNNs detect.

    python -m trainers.detection.draw --output=detections.png MODEL_DIR...

Writes a PNG with a row for the objects of the first validation images and one for each model's
detections, in the colours of their classes. The models have the same validation data.
"""

from collections.abc import Sequence
from typing import Any

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    flags.DEFINE_string("output", None, "PNG file to write. Required.", required=True)
    command.run_module(
        "trainers.detection.draw", checks.new_file("output"), checks.model_folders("maskrcnn")
    )

import numpy as np
import tensorflow as tf
from official.vision.ops import mask_ops, preprocess_ops

from trainers.detection.task import MaskRCNNTask
from trainers.engine import restoring

_IMAGES, _LEAST_SCORE = 6, 0.5
_COLOURS = np.array([[0, 0, 0], [230, 60, 60], [40, 160, 70], [60, 90, 230], [220, 160, 20]])


def draw(model_dirs: list[str], output: str) -> None:
    """Writes the figure.

    Raises:
      TrainersError: when a folder has no trained Mask R-CNN.
    """
    pictures: list[tuple[str, list[np.ndarray]]] = []
    for model_dir in model_dirs:
        params, task, model = restoring.restore(model_dir, MaskRCNNTask)
        images, labels = next(iter(task.build_inputs(params.task.validation_data)))
        if not pictures:
            pictures.append(("truth", _truth(images, labels)))
        pictures.append((params.task.model.norm_act, _detections(model, images, labels)))
    _plot(pictures, output)


def _truth(images: tf.Tensor, labels: dict[str, Any]) -> list[np.ndarray]:
    """The images with their objects."""
    truth = labels["groundtruths"]
    drawn = []
    for index in range(_IMAGES):
        count = int(truth["num_detections"][index])
        boxes = truth["boxes"][index][:count].numpy()
        masks = _pasted(truth["masks"][index][:count].numpy(), boxes, images.shape[1:3])
        drawn.append(_overlay(images[index], masks, truth["classes"][index].numpy()))
    return drawn


def _detections(
    model: tf.keras.Model, images: tf.Tensor, labels: dict[str, Any]
) -> list[np.ndarray]:
    """The images with the model's detections."""
    sizes = labels["image_info"][:, 1, :]
    outputs = model(images, image_shape=sizes, training=False)
    drawn = []
    for index in range(_IMAGES):
        kept = outputs["detection_scores"][index].numpy() >= _LEAST_SCORE
        boxes = outputs["detection_boxes"][index].numpy()[kept]
        masks = _pasted(outputs["detection_masks"][index].numpy()[kept], boxes, images.shape[1:3])
        classes = outputs["detection_classes"][index].numpy()[kept]
        drawn.append(_overlay(images[index], masks, classes))
    return drawn


def _pasted(masks: np.ndarray, boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Masks of boxes (ymin, xmin, ymax, xmax) as masks of the whole image."""
    corner, far = boxes[:, [1, 0]], boxes[:, [3, 2]]
    return mask_ops.paste_instance_masks(
        masks, np.concatenate([corner, far - corner], axis=1), *size
    )


def _overlay(image: tf.Tensor, masks: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """A normalized image as uint8 pixels, with objects in the colours of their classes."""
    mean, stddev = np.array(preprocess_ops.MEAN_RGB), np.array(preprocess_ops.STDDEV_RGB)
    pixels = image.numpy() * stddev + mean
    for mask, label in zip(masks, classes, strict=False):
        inside = np.asarray(mask) > 0
        pixels[inside] = 0.35 * pixels[inside] + 0.65 * _COLOURS[int(label) % len(_COLOURS)]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _plot(pictures: list[tuple[str, list[np.ndarray]]], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(pictures), _IMAGES, figsize=(1.6 * _IMAGES, 1.7 * len(pictures)), layout="constrained"
    )
    for row, (name, images) in zip(axes, pictures, strict=True):
        row[0].set_ylabel(name)
        for axis, image in zip(row, images, strict=True):
            axis.imshow(image)
            axis.set_xticks([])
            axis.set_yticks([])
    figure.savefig(path, dpi=60)
    pyplot.close(figure)


def main(arguments: list[str]) -> None:
    """Draws the models that the arguments name."""
    draw(command.named(arguments, "model folder"), flags.FLAGS.output)
    print(flags.FLAGS.output)
