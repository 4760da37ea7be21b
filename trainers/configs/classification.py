"""The configuration of an image classification experiment.

Dataclasses of tf-models-official's kind: overridden by YAML files and `--params_override`,
where an unknown key is an error, and written to `params.yaml` in the model folder. Every
field here is read; what is inherited and not read is listed in `engine/parameters.py` and
`engine/task.py`.
"""

import dataclasses

from official.core import config_definitions
from official.modeling import optimization
from official.modeling.hyperparams import base_config

from trainers.configs import experiment

# Of ImageNet, in units of a pixel's 0 to 255; as in tf-models-official and the authors' code.
IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STDDEV = (0.229 * 255, 0.224 * 255, 0.225 * 255)


@dataclasses.dataclass
class ModelConfig(base_config.Config):
    """The network and its norm-act layer.

    Attributes:
      network: a name in `trainers.engine.networks.NETWORKS`.
      norm_act: a registered name, or the path of a layer graph's JSON file.
      groups, momentum, synchronized: of the norm-act layers, where they have them.
      num_classes: labels are 0 to num_classes - 1.
      input_size: height, width and channels of the images in training.
      mean, stddev: of the training pixels, per channel; images are normalized by them.
      width: multiplies the network's filters.
      dropout: rate before the logits; None for the network's default.
      stochastic_depth: None for the network's default; only EfficientNets have it.
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
class DataConfig(base_config.Config):
    """One split of a data set and what is done to its images.

    Attributes:
      source: "digits" (embedded), a TFDS name, or the folder of a prepared TFDS data set.
      data_dir: where TFDS keeps its data; empty for its default.
      split: such as "train" or "train[:90%]".
      is_training: repeated, shuffled and augmented; else each image once, in order.
      global_batch_size: images a step, over all replicas.
      in_memory: the images are held as one array, and any step's batch can be computed
        without those before it. For small data sets of images of one size.
      crop: "none"; "random", a square of `crop_size` of the image, or in evaluation the
        whole image; "inception", 8 to 100% of the image's area, or in evaluation its
        centre, resized to the model's input size.
      crop_size: side of the random crop.
      center_fraction: side of the centre crop over the image's shorter side.
      flip: half of the training images are mirrored.
      augment: "", "randaugment" or "autoaugment"; after crop and flip.
      augment_layers, augment_magnitude: of RandAugment.
      shuffle_buffer: images to shuffle among, when not in memory.
      seed: of order and crops.
    """

    source: str = "imagenet2012"
    data_dir: str = ""
    split: str = "train"
    is_training: bool = True
    global_batch_size: int = 1024
    in_memory: bool = False
    crop: str = "none"
    crop_size: int = 0
    center_fraction: float = 0.875
    flip: bool = False
    augment: str = ""
    augment_layers: int = 2
    augment_magnitude: int = 9
    shuffle_buffer: int = 10000
    seed: int = 0


@dataclasses.dataclass
class LossConfig(base_config.Config):
    """Cross-entropy and weight decay.

    Attributes:
      label_smoothing: share of the label's probability that all classes get alike.
      weight_decay: times half the squared norm of all trainable variables but the
        norm-act layers' own.
    """

    label_smoothing: float = 0.0
    weight_decay: float = 1e-4


@dataclasses.dataclass
class ClassificationConfig(config_definitions.TaskConfig):
    """The task: model, loss and data.

    Attributes:
      seed: of the initial weights.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    losses: LossConfig = dataclasses.field(default_factory=LossConfig)
    train_data: DataConfig = dataclasses.field(default_factory=DataConfig)
    validation_data: DataConfig = dataclasses.field(
        default_factory=lambda: DataConfig(split="validation", is_training=False)
    )
    seed: int = 0


@dataclasses.dataclass
class ExperimentConfig(experiment.ExperimentConfig):
    """A whole experiment of classification."""

    kind: str = "classification"
    task: ClassificationConfig = dataclasses.field(default_factory=ClassificationConfig)


OptimizationConfig = optimization.OptimizationConfig
