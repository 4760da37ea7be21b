"""Exports a trained model for serving.

    python -m trainers.export --model_dir=DIR --export_dir=DIR [--checkpoint=PATH]

Writes `saved_model` with two signatures, and `model.keras`, then loads both and compares
their outputs with the trained model's.

* serving_default: `images`, uint8 (batch, height, width, channels), of any size where the
  model was trained on centre crops, which are then taken and resized; else of its own size;
* jpeg: `encoded`, a batch of JPEG files as bytes.

Both return `logits`, `probabilities` and `label`, the name of the likeliest class. Pixels are
from 0 to 255 everywhere. The names of the classes, by the place of their logit, are in
`classes.txt` too, for users of the Keras model.
"""

from trainers import checks, command

if __name__ == "__main__":
    command.define_export_flags()
    command.run_module("trainers.export", checks.trained_model("classification"))

from trainers.classification.export import main

__all__ = ["main"]
