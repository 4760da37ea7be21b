"""The configuration of an image classification experiment."""

import dataclasses

from trainers.data.config import DataConfig
from trainers.engine import config
from trainers.platform.configs import Config, TaskConfig

# Of ImageNet, in units of a pixel's 0 to 255; as in tf-models-official and the authors' code.
IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STDDEV = (0.229 * 255, 0.224 * 255, 0.225 * 255)


@dataclasses.dataclass
class ModelConfig(Config):
    """The network and its norm-act layer.

    Attributes:
      network: a name in `trainers.models.classifiers.CLASSIFIERS`.
      norm_act: a registered name, or the path of a layer graph's JSON file.
      groups, momentum, synchronized: arguments of the norm-act layers that have them.
      num_classes: labels are 0 to num_classes - 1.
      input_size: height, width and channels of the images in training.
      mean, stddev: of the training pixels, for each channel; images are normalized by them.
      width: multiplies the network's filters.
      dropout: rate before the logits; None for the network's default.
      stochastic_depth: drop rate of the last block; None for the network's default. Only
        EfficientNets have it.
    """

    network: str = "resnet50"
    norm_act: str = "evonorm_b0"
    groups: int = 32
    momentum: float = 0.9
    synchronized: bool = False
    num_classes: int = 1000
    input_size: list[int] = dataclasses.field(default_factory=lambda: [224, 224, 3])
    mean: list[float] = dataclasses.field(default_factory=lambda: list(IMAGENET_MEAN))
    stddev: list[float] = dataclasses.field(default_factory=lambda: list(IMAGENET_STDDEV))
    width: float = 1.0
    dropout: float | None = None
    stochastic_depth: float | None = None


@dataclasses.dataclass
class LossConfig(Config):
    """Cross-entropy and weight decay.

    Attributes:
      label_smoothing: share of the probability that is spread evenly over all classes.
      weight_decay: factor of half the squared norm of all trainable variables, except those
        of norm-act layers.
    """

    label_smoothing: float = 0.0
    weight_decay: float = 1e-4


@dataclasses.dataclass
class ClassificationConfig(TaskConfig):
    """The task: model, loss and data.

    Attributes:
      seed: seed of the initial weights.
      recompute: whether convolutions compute the outputs of norm-act layers again in the backward
        pass: larger batches for the same numbers, and a somewhat longer step.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    losses: LossConfig = dataclasses.field(default_factory=LossConfig)
    train_data: DataConfig = dataclasses.field(default_factory=DataConfig)
    validation_data: DataConfig = dataclasses.field(
        default_factory=lambda: DataConfig(split="validation", is_training=False)
    )
    seed: int = 0
    recompute: bool = False


@dataclasses.dataclass
class ExperimentConfig(config.ExperimentConfig):
    """A whole experiment of classification."""

    kind: str = "classification"
    task: ClassificationConfig = dataclasses.field(default_factory=ClassificationConfig)
