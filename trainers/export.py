"""Exports a trained model for serving.

    python -m trainers.export --model_dir=DIR --export_dir=DIR [--checkpoint=PATH]

Writes `saved_model` with two signatures, and `model.keras`, then loads both and compares
their outputs with the trained model's.

* serving_default: `images`, uint8 (batch, height, width, channels). Where the model is
  evaluated on centre crops, images may have any size and are cropped and resized; otherwise
  they have the size of the training images;
* jpeg: `encoded`, a batch of JPEG files as bytes.

Both return `logits`, `probabilities` and `label`, the name of the likeliest class. Pixels go
from 0 to 255 everywhere. For users of the Keras model, `classes.txt` has the names of the
classes in the order of the logits.
"""

from trainers import checks, command

if __name__ == "__main__":
    command.define_export_flags()
    command.run_module("trainers.export", checks.trained_model("classification"))

from trainers.classification.export import main

__all__ = ["main"]
