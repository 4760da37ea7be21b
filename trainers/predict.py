"""Classifies image files with a trained model.

    python -m trainers.predict --model_dir=DIR [--top=5] FILE...

Files are JPEG, PNG, BMP or GIF with pixels from 0 to 255, and are preprocessed like
validation images. Prints a line for each file: its name, then the likeliest classes with
their probabilities. Classes have the names of the training data set.
"""

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    command.define_model_flags()
    flags.DEFINE_integer("top", 5, "How many classes to print.")
    command.run_module("trainers.predict", checks.trained_model("classification"), checks.images)

from trainers.classification.predict import main

__all__ = ["main"]
