"""Exports a trained Mask R-CNN for serving.

    python -m trainers.detection.export --model_dir=DIR --export_dir=DIR [--checkpoint=PATH]

Writes `saved_model`, loads it and compares its outputs with the trained model's. Its
signature "serving_default" takes `inputs`, uint8 images (batch, height, width, 3) of any size,
which it resizes and pads as in evaluation. It returns `detection_boxes` (ymin, xmin, ymax, xmax
in pixels of the model's input), `detection_scores`, `detection_classes`, `detection_masks`
(within the boxes), `num_detections` and `image_info` (sizes and scale of the images).
"""

import os

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    command.define_export_flags()
    command.run_module("trainers.detection.export", checks.trained_model("maskrcnn"))

import numpy as np
import tensorflow as tf
from official.vision.serving import detection

from trainers.detection.task import MaskRCNNTask
from trainers.engine import restoring, serving
from trainers.errors import TrainersError

_TOLERANCE = 1e-4


def export(model_dir: str, export_dir: str, checkpoint: str = "") -> None:
    """Exports a model and compares what was written with it.

    Raises:
      TrainersError: when there is nothing to export, or the loaded model computes other outputs.
    """
    params, _, model = restoring.restore(model_dir, MaskRCNNTask, checkpoint)
    size = list(params.task.model.input_size[:2])
    module = detection.DetectionModule(params, batch_size=None, input_image_size=size, model=model)
    path = os.path.join(export_dir, "saved_model")
    signatures = module.get_inference_signatures({"image_tensor": "serving_default"})
    serving.save(path, model, signatures)
    images = np.random.default_rng(0).integers(256, size=[2, *size, 3]).astype(np.uint8)
    images = tf.constant(images)
    expected = module.serve(images)
    loaded = tf.saved_model.load(path).signatures["serving_default"](inputs=images)
    for name, value in expected.items():
        if not np.allclose(loaded[name], value, rtol=_TOLERANCE, atol=_TOLERANCE):
            raise TrainersError(f"{path} does not compute what the model does: {name} differs")
    print(f"{path}: loaded again, {', '.join(sorted(expected))} equal within {_TOLERANCE}")


def main(_: list[str]) -> None:
    """Exports the model that the flags select."""
    export(flags.FLAGS.model_dir, flags.FLAGS.export_dir, flags.FLAGS.checkpoint)
