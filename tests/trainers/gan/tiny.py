"""A GAN of the smallest networks, and short trainings of it on the digits.

Run as a program it is `trainers.train`, with an experiment of four steps.
"""

import functools

import trainers  # noqa: F401

# isort: split
from tests.trainers.short import four_steps
from trainers import train
from trainers.experiments import biggan
from trainers.experiments.registry import Experiment, add
from trainers.gan.config import GanExperimentConfig

# What makes an experiment on the digits small.
SIZES = {
    "input_size": [8, 8, 1],
    "upsampling": 1,
    "width": 4,
    "noise_size": 4,
    "embedding_size": 4,
    "attention": 0,
}


def config(layer: str = "evonorm_s0", **trainer) -> GanExperimentConfig:
    """Four steps, one at a time, each with a checkpoint; `trainer` overrides its fields."""
    params = biggan.digits(layer)
    for name, value in SIZES.items():
        setattr(params.task.model, name, value)
    params.task.train_data.global_batch_size = 8
    params.task.validation_data.split = "test"
    params.task.validation_data.global_batch_size = 128
    params.task.average_start = 1
    params.task.samples = 100
    params.task.standing_batches = 2
    return four_steps(params, **trainer)


if __name__ == "__main__":
    add(Experiment("tiny_gan", functools.partial(config, "evonorm_b0")))
    train.command_line()
