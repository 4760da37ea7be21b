"""The configuration of a GAN experiment."""

import dataclasses

from trainers.platform import official_alone  # noqa: F401

# isort: split
from official.core import config_definitions
from official.modeling.hyperparams import base_config

from trainers.data.config import DataConfig
from trainers.engine.config import ExperimentConfig, OptimizationConfig


def adam(rate: float) -> OptimizationConfig:
    """Adam at a constant rate with BigGAN's decay rates, 0 and 0.999."""
    return OptimizationConfig(
        {
            "optimizer": {
                "type": "adam",
                "adam": {"beta_1": 0.0, "beta_2": 0.999, "epsilon": 1e-8},
            },
            "learning_rate": {"type": "constant", "constant": {"learning_rate": rate}},
        }
    )


@dataclasses.dataclass
class GanModelConfig(base_config.Config):
    """BigGAN-deep's networks and the generator's norm-act layer.

    Attributes:
      norm_act: a registered name, or the path of a layer graph's JSON file.
      groups, momentum, synchronized: arguments of the norm-act layers that have them.
      num_classes: labels are 0 to num_classes - 1.
      input_size: height, width and channels of the images.
      upsampling: their side over that of the data's images.
      width: channels at the image's resolution, "ch" in the paper.
      noise_size, embedding_size: lengths of the noise vector and of a label's vector.
      attention: the resolution with self-attention; 0 for none.
    """

    norm_act: str = "evonorm_s0"
    groups: int = 16
    momentum: float = 0.9
    synchronized: bool = True
    num_classes: int = 1000
    input_size: list[int] = dataclasses.field(default_factory=lambda: [128, 128, 3])
    upsampling: int = 1
    width: int = 128
    noise_size: int = 128
    embedding_size: int = 128
    attention: int = 64


@dataclasses.dataclass
class GanConfig(config_definitions.TaskConfig):
    """The task: networks, losses, data and evaluation.

    The generator's optimizer is `trainer.optimizer_config`. FID compares samples with
    `validation_data`.

    Attributes:
      discriminator_optimizer: optimizer of the discriminator.
      discriminator_steps: steps of the discriminator for each step of the generator; each has
        `train_data.global_batch_size` images of its own.
      orthogonal: strength of the generator's orthogonal regularization.
      average_decay: of the moving average of the generator's weights.
      average_start: step up to which the average equals the weights.
      features: feature network of Inception Score and FID, "inception" or "digits".
      feature_weights: file with InceptionV3's weights.
      samples: images that are drawn in an evaluation.
      standing_batches: batches that give the moving averages of evaluation and export.
      truncation: truncation of the noise in evaluation and export; 0 for none.
      seed: seed of weights and noise.
    """

    model: GanModelConfig = dataclasses.field(default_factory=GanModelConfig)
    train_data: DataConfig = dataclasses.field(default_factory=DataConfig)
    validation_data: DataConfig = dataclasses.field(
        default_factory=lambda: DataConfig(split="validation", is_training=False)
    )
    discriminator_optimizer: OptimizationConfig = dataclasses.field(
        default_factory=lambda: adam(2e-4)
    )
    discriminator_steps: int = 2
    orthogonal: float = 1e-4
    average_decay: float = 0.9999
    average_start: int = 0
    features: str = "inception"
    feature_weights: str = ""
    samples: int = 50000
    standing_batches: int = 100
    truncation: float = 0.0
    seed: int = 0


@dataclasses.dataclass
class GanExperimentConfig(ExperimentConfig):
    """A whole experiment of BigGAN-deep."""

    kind: str = "gan"
    task: GanConfig = dataclasses.field(default_factory=GanConfig)
