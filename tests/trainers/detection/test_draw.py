"""Pictures of objects and detections, on drawn images and a made-up model."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.detection import small
from trainers.detection import draw
from trainers.detection.task import MaskRCNNTask

_BORDER = 2  # pixels by which pycocotools' pasting can enlarge a mask


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Two validation images and their labels."""
    params = small.config(small.write(tmp_path_factory.mktemp("data")))
    return next(iter(MaskRCNNTask(params.task).build_inputs(params.task.validation_data)))


@pytest.fixture(autouse=True)
def two_images(monkeypatch):
    monkeypatch.setattr(draw, "_IMAGES", 2)


def changed(picture, image):
    """Where a picture differs from its image without objects."""
    plain = draw._overlay(image, np.zeros((0, 64, 64)), np.zeros(0))
    return (picture != plain).any(-1)


def inside(boxes, border):
    """The pixels of boxes (ymin, xmin, ymax, xmax), with a border."""
    pixels = np.zeros((64, 64), bool)
    for top, left, bottom, right in boxes.astype(int):
        rows = slice(max(0, top - border), bottom + border)
        pixels[rows, max(0, left - border) : right + border] = True
    return pixels


def test_the_truth_is_drawn_within_its_boxes(batch):
    images, labels = batch
    truth = labels["groundtruths"]
    for index, picture in enumerate(draw._truth(images, labels)):
        boxes = truth["boxes"][index][: int(truth["num_detections"][index])].numpy()
        drawn = changed(picture, images[index])
        assert drawn.sum() > 0.4 * inside(boxes, 0).sum()
        assert not drawn[~inside(boxes, _BORDER)].any()


def test_detections_below_the_least_score_are_not_drawn(batch):
    images, labels = batch
    boxes = np.array([[10, 10, 30, 30], [40, 40, 60, 60]], np.float32)

    def model(images, image_shape, training):
        assert not training and image_shape.shape == (2, 2)
        outputs = {
            "detection_boxes": np.stack([boxes] * 2),
            "detection_masks": np.ones((2, 2, 14, 14), np.float32),
            "detection_classes": np.array([[1, 2]] * 2),
            "detection_scores": np.array([[0.5, 0.49]] * 2),
        }
        return {name: tf.constant(value) for name, value in outputs.items()}

    for picture, image in zip(draw._detections(model, images, labels), images, strict=True):
        drawn = changed(picture, image)
        assert drawn[inside(boxes[:1], -1)].all()
        assert not drawn[~inside(boxes[:1], _BORDER)].any()


def test_the_figure_has_a_row_for_each_model(batch, tmp_path):
    pictures = draw._truth(*batch)
    path = str(tmp_path / "detections.png")
    draw._plot([("truth", pictures), ("bn_relu", pictures), ("evonorm_s0", pictures)], path)
    height, width, _ = tf.io.decode_png(tf.io.read_file(path)).shape
    assert (height, width) == (306, 192)  # 1.7 and 1.6 inches for each picture, 60 dots an inch
