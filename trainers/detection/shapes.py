"""Draws a small data set of circles, rectangles and triangles with boxes and masks.

    python -m trainers.detection.shapes [--output_dir=runs/shapes]

Writes train.tfrecord, validation.tfrecord and test.tfrecord, with examples in the format
of tf-models-official's COCO. The images are the same every time.
"""

from collections.abc import Iterable
from typing import Any

from absl import flags

from trainers import command
from trainers.detection import files

if __name__ == "__main__":
    flags.DEFINE_string("output_dir", files.FOLDER, "Folder to write.")
    command.run_module("trainers.detection.shapes", lambda _: files.new(flags.FLAGS.output_dir))

import numpy as np
import tensorflow as tf

CLASSES = ("circle", "rectangle", "triangle")  # labels 1, 2, 3
SIDE, MOST_OBJECTS = 64, 4
IMAGES = {"train": 1000, "validation": 100, "test": 500}
_SEEDS = {"train": 0, "validation": 1, "test": 2}
_SMALLEST, _LARGEST = 7, 15  # half the height or width, in pixels
_LEAST_VISIBLE = 60  # pixels; a shape of which less is visible does not count as an object


def write(output_dir: str, counts: dict[str, int] | None = None) -> None:
    """Writes a file for each split.

    Args:
      output_dir: the folder, made if it is not there.
      counts: images of "train", "validation" and "test"; None for the experiments' numbers.

    Raises:
      TrainersError: when one of the files exists.
    """
    counts = counts or IMAGES
    paths = files.new(output_dir, counts, tf.io.gfile.exists)
    tf.io.gfile.makedirs(output_dir)
    for split, count in counts.items():
        rng = np.random.default_rng(_SEEDS[split])
        with tf.io.TFRecordWriter(paths[split]) as writer:
            for number in range(1, count + 1):
                writer.write(example(number, *draw(rng)).SerializeToString())


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One image.

    Returns:
      uint8 pixels (64, 64, 3); labels (objects,); boolean masks (objects, 64, 64) of the visible
      part of each object, since later objects cover earlier ones.
    """
    image = rng.uniform(60, 200, 3) + rng.normal(0, 20, (SIDE, SIDE, 3))
    labels: list[int] = []
    masks: list[np.ndarray] = []
    for _ in range(rng.integers(1, MOST_OBJECTS + 1)):
        label = int(rng.integers(1, len(CLASSES) + 1))
        shape = _shape(rng, label)
        image = np.where(
            shape[..., None], rng.uniform(0, 255, 3) + rng.normal(0, 10, image.shape), image
        )
        masks = [mask & ~shape for mask in masks]
        labels.append(label)
        masks.append(shape)
    visible = [index for index, mask in enumerate(masks) if mask.sum() >= _LEAST_VISIBLE]
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    return pixels, np.array(labels)[visible], np.array(masks)[visible]


def _shape(rng: np.random.Generator, label: int) -> np.ndarray:
    """A mask (64, 64) of a shape that lies within the image."""
    half_height, half_width = rng.uniform(_SMALLEST, _LARGEST, 2)
    if CLASSES[label - 1] == "circle":
        half_width = half_height
    x0 = rng.uniform(half_width, SIDE - half_width)
    y0 = rng.uniform(half_height, SIDE - half_height)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    across, down = (x - x0) / half_width, (y - y0) / half_height
    if CLASSES[label - 1] == "circle":
        return across**2 + down**2 <= 1
    if CLASSES[label - 1] == "rectangle":
        return np.maximum(abs(across), abs(down)) <= 1
    return (abs(across) <= (down + 1) / 2) & (down <= 1)


def example(
    number: int, image: np.ndarray, labels: np.ndarray, masks: np.ndarray
) -> tf.train.Example:
    """An example of tf-models-official's COCO format.

    Args:
      number: the image's COCO id.
      image: pixels (height, width, 3), as `draw` returns them.
      labels: the objects' labels (objects,).
      masks: the objects' visible parts (objects, height, width).
    """
    height, width = image.shape[:2]
    rows, columns = np.any(masks, axis=2), np.any(masks, axis=1)
    sides = {
        "ymin": rows.argmax(1) / height,
        "xmin": columns.argmax(1) / width,
        "ymax": (height - rows[:, ::-1].argmax(1)) / height,
        "xmax": (width - columns[:, ::-1].argmax(1)) / width,
    }
    png = [tf.io.encode_png(mask[..., None].astype(np.uint8)).numpy() for mask in masks]
    features = {
        "image/encoded": _bytes([tf.io.encode_png(image).numpy()]),
        "image/source_id": _bytes([str(number).encode()]),
        "image/height": _ints([height]),
        "image/width": _ints([width]),
        "image/object/class/label": _ints(labels),
        "image/object/is_crowd": _ints([0] * len(labels)),
        "image/object/area": _floats(masks.sum((1, 2))),
        "image/object/mask": _bytes(png),
    }
    features |= {f"image/object/bbox/{name}": _floats(values) for name, values in sides.items()}
    return tf.train.Example(features=tf.train.Features(feature=features))


def _bytes(values: Iterable[Any]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _ints(values: Iterable[Any]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(v) for v in values]))


def _floats(values: Iterable[Any]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=[float(v) for v in values]))


def main(_: list[str]) -> None:
    """Writes the files into the folder that --output_dir names."""
    write(flags.FLAGS.output_dir)
