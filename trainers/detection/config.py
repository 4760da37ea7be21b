"""The configuration of a Mask R-CNN experiment: tf-models-official's, plus the layer."""

import dataclasses

from trainers.platform import official_alone  # noqa: F401

# isort: split
from official.modeling import hyperparams
from official.vision.configs import common, maskrcnn

from trainers.backbones import NormActArgs
from trainers.engine import config

# The configuration of one split; see tf-models-official's `vision/configs/maskrcnn.py`.
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
    """A SpineNet; the model's configuration has its levels.

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
      backbone: the backbone; a SpineNet needs "identity" as `decoder.type`.
      norm_activation: not read.
    """

    norm_act: str = "bn_relu"
    norm_act_args: NormActArgs = dataclasses.field(default_factory=NormActArgs)
    backbone: BackboneConfig = dataclasses.field(default_factory=BackboneConfig)
    norm_activation: common.NormActivation = dataclasses.field(
        default_factory=lambda: common.NormActivation(use_sync_bn=False)
    )


def coco_model(backbone: str, norm_act: str) -> ModelConfig:
    """The paper's Mask R-CNN for COCO (table 5), with images of 1024x1024 pixels.

    Args:
      backbone: "r50_fpn" or "spinenet96".
      norm_act: registered name of the norm-act layer.
    """
    model = ModelConfig(norm_act=norm_act, num_classes=91, input_size=[1024, 1024, 3])
    if backbone == "spinenet96":
        model.backbone.type, model.decoder.type = "spinenet", "identity"
        model.min_level, model.max_level = 3, 7
        model.anchor.anchor_size = 3.0
    return model


@dataclasses.dataclass
class TaskConfig(maskrcnn.MaskRCNNTask):
    """The task: model, loss, data and metrics.

    Attributes:
      seed: seed of the initial weights.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    seed: int = 0


@dataclasses.dataclass
class ExperimentConfig(config.ExperimentConfig):
    """A whole experiment of Mask R-CNN."""

    kind: str = "maskrcnn"
    task: TaskConfig = dataclasses.field(default_factory=TaskConfig)
