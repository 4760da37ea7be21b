"""A network of one residual block, and short trainings of it on the digits.

Run as a program it is `trainers.train` with that network known.
"""

import trainers  # noqa: F401

# isort: split
from tests.trainers.short import four_steps
from trainers import models, train
from trainers.classification.config import ExperimentConfig
from trainers.experiments import digits
from trainers.models.classifiers import CLASSIFIERS
from trainers.models.resnet import ResNetSpec

SPEC = ResNetSpec((1,), bottleneck=False, filters=(4,), stem="conv3")
CLASSIFIERS["tiny"] = (models.resnet, {"depth": SPEC})


def config(layer: str = "evonorm_s0", batch_size: int = 8, **trainer) -> ExperimentConfig:
    """Four steps, one at a time, each with a checkpoint; `trainer` overrides its fields."""
    params = digits.config(layer, batch_size)
    params.task.model.network = "tiny"
    params.trainer.optimizer_config.warmup.linear.warmup_steps = 1
    return four_steps(params, **trainer)


if __name__ == "__main__":
    train.command_line()
