"""The configuration of a Mask R-CNN experiment: tf-models-official's, with the layer."""

import dataclasses

from official.modeling import hyperparams
from official.vision.configs import common, maskrcnn

from trainers.configs import experiment
from trainers.norm_act_config import NormActArgs

# Of one data set, one split; see tf-models-official's `vision/configs/maskrcnn.py`.
DataConfig = maskrcnn.DataConfig
Parser = maskrcnn.Parser


@dataclasses.dataclass
class ResNetConfig(hyperparams.Config):
    """A ResNet v1; see `trainers.models.resnet`.

    Attributes:
      depth: 18, 34, 50, 101 or 152.
      width: multiplies the filters.
    """

    depth: int = 50
    width: float = 1.0


@dataclasses.dataclass
class SpineNetConfig(hyperparams.Config):
    """A SpineNet; the levels are those of the model.

    Attributes:
      model_id: "49S", "49", "96", "143", "143L" or "190".
    """

    model_id: str = "96"


@dataclasses.dataclass
class BackboneConfig(hyperparams.OneOfConfig):
    """The backbone.

    Attributes:
      type: "resnet" or "spinenet".
    """

    type: str | None = "resnet"
    resnet: ResNetConfig = dataclasses.field(default_factory=ResNetConfig)
    spinenet: SpineNetConfig = dataclasses.field(default_factory=SpineNetConfig)


@dataclasses.dataclass
class ModelConfig(maskrcnn.MaskRCNN):
    """The network; heads, anchors and samplers as in tf-models-official.

    Attributes:
      norm_act: registered name, or path of a layer graph's JSON file.
      norm_act_args: constructor arguments of every norm-act layer.
      backbone: the backbone; where it is a SpineNet, `decoder.type` is "identity".
      norm_activation: not read.
    """

    norm_act: str = "bn_relu"
    norm_act_args: NormActArgs = dataclasses.field(default_factory=NormActArgs)
    backbone: BackboneConfig = dataclasses.field(default_factory=BackboneConfig)
    norm_activation: common.NormActivation = dataclasses.field(
        default_factory=lambda: common.NormActivation(use_sync_bn=False)
    )


@dataclasses.dataclass
class TaskConfig(maskrcnn.MaskRCNNTask):
    """The task: model, loss, data and metrics.

    Attributes:
      seed: of the initial weights.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    seed: int = 0


@dataclasses.dataclass
class ExperimentConfig(experiment.ExperimentConfig):
    """A whole experiment of Mask R-CNN."""

    kind: str = "maskrcnn"
    task: TaskConfig = dataclasses.field(default_factory=TaskConfig)
