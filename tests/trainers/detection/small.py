"""Short trainings of Mask R-CNN on drawn shapes.

Run as a program it is `trainers.train`, with an experiment of four steps on files that are in
the folder of the environment variable SHAPES.
"""

import functools
import os

import trainers  # noqa: F401

# isort: split
from tests.trainers.short import four_steps
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
    return four_steps(params, **trainer)


if __name__ == "__main__":
    add(Experiment("tiny_maskrcnn", functools.partial(config, os.environ["SHAPES"])))
    train.command_line()
