"""Evaluates a trained model.

    python -m trainers.evaluate --model_dir=DIR [--split=test] [--checkpoint=PATH]

Every image of the split counts once. Flags can change the split and the folder of the data;
all else is the model's own validation data.
"""

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    command.define_model_flags()
    flags.DEFINE_string("split", "", "Another split than the model's validation data.")
    flags.DEFINE_string("data_dir", "", "Where TFDS keeps its data.")
    command.run_module("trainers.evaluate", checks.trained_model("classification"))

from trainers.classification.evaluate import main

__all__ = ["main"]
