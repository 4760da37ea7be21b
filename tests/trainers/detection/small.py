"""Short trainings of Mask R-CNN on drawn shapes.

Run as a program it is `trainers.train`, with an experiment of four steps on files that are in
the folder of the environment variable SHAPES.
"""

import os

import trainers  # noqa: F401

# isort: split
import functools

from absl import app
from official.common import flags as tfm_flags

from trainers import train
from trainers.detection import shapes
from trainers.detection.config import ExperimentConfig
from trainers.experiments import shapes as experiments
from trainers.experiments.registry import Experiment, add

COUNTS = {"train": 8, "validation": 3}


def write(folder) -> str:
    """Draws the files; returns the folder as text."""
    shapes.write(str(folder), COUNTS)
    return str(folder)


def config(folder: str, layer: str = "evonorm_s0", **trainer) -> ExperimentConfig:
    """Four steps, one at a time, each with a checkpoint; `trainer` overrides its fields."""
    params = experiments.config(layer)
    params.task.train_data.input_path = f"{folder}/train.tfrecord"
    params.task.validation_data.input_path = f"{folder}/validation.tfrecord"
    params.task.validation_data.num_examples = COUNTS["validation"]
    params.task.validation_data.global_batch_size = 2
    params.trainer.train_steps = params.trainer.validation_interval = 4
    params.trainer.steps_per_loop = params.trainer.summary_interval = 1
    params.trainer.checkpoint_interval = 1
    params.trainer.max_to_keep = 10
    for name, value in trainer.items():
        setattr(params.trainer, name, value)
    return params


if __name__ == "__main__":
    add(Experiment("tiny_maskrcnn", functools.partial(config, os.environ["SHAPES"])))
    tfm_flags.define_flags()
    app.run(train.main)
