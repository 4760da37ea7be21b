"""The networks as backbones of tf-models-official's classification, detection, segmentation.

Importing this module registers them. A task's model config takes `Backbone` below where it
takes tf-models-official's own:

    config.task.model.backbone = backbones.Backbone(
        type="evo_resnet", evo_resnet=backbones.EvoResNet(norm_act="evonorm_s0", depth=50)
    )
"""

import dataclasses
from typing import Any

import tensorflow as tf
from official.modeling import hyperparams
from official.vision.configs import backbones as official_backbones
from official.vision.modeling.backbones import factory

from trainers.models import inverted_bottleneck, norm_act
from trainers.models.efficientnet import efficientnet_spec, variant
from trainers.models.inverted_bottleneck import InvertedBottleneckSpec
from trainers.models.mnasnet import mnasnet_spec
from trainers.models.mobilenet_v2 import mobilenet_v2_spec
from trainers.models.resnet import resnet_features, resnet_network, resnet_spec


@dataclasses.dataclass
class NormActArgs(hyperparams.Config):
    """Constructor arguments that a user chooses for all norm-act layers of a network.

    None leaves an argument to the network's defaults, such as a task's `norm_activation` of
    tf-models-official, or else to the layer's. An argument that the layer does not have is an
    error.

    Attributes:
      groups, group_size: of the layers with channel groups.
      epsilon: added to variances inside the root.
      momentum: share of the old value in the moving averages.
      synchronized: whether all replicas share their batch statistics.
    """

    groups: int | None = None
    group_size: int | None = None
    epsilon: float | None = None
    momentum: float | None = None
    synchronized: bool | None = None

    def given(self) -> dict[str, Any]:
        """The arguments that are not None."""
        return {name: value for name, value in self.as_dict().items() if value is not None}


@dataclasses.dataclass
class _NormActBackbone(hyperparams.Config):
    """Fields that all backbones share.

    Attributes:
      norm_act: registered name, or path of a layer graph's JSON file.
      norm_act_args: constructor arguments of every norm-act layer; they precede the task's
        `norm_activation`, whose activation is not for the backbone.
      width: multiplies the filters.
      unit_strides: how many reducing operations, from the input on, get stride 1.
    """

    norm_act: str = "bn_relu"
    norm_act_args: NormActArgs = dataclasses.field(default_factory=NormActArgs)
    width: float = 1.0
    unit_strides: int = 0


@dataclasses.dataclass
class EvoResNet(_NormActBackbone):
    """A ResNet; see `trainers.models.resnet`."""

    depth: int = 50
    version: int = 2


@dataclasses.dataclass
class EvoMobileNetV2(_NormActBackbone):
    """A MobileNetV2; see `trainers.models.mobilenet_v2`."""


@dataclasses.dataclass
class EvoMnasNet(_NormActBackbone):
    """A MnasNet-B1; see `trainers.models.mnasnet`."""


@dataclasses.dataclass
class EvoEfficientNet(_NormActBackbone):
    """An EfficientNet; see `trainers.models.efficientnet`. `width` multiplies its own."""

    norm_act: str = "bn_silu"
    variant: str = "b0"
    stochastic_depth: float = 0.2


@dataclasses.dataclass
class Backbone(official_backbones.Backbone):
    """tf-models-official's choice of backbones, with those of this package."""

    evo_resnet: EvoResNet = dataclasses.field(default_factory=EvoResNet)
    evo_mobilenet_v2: EvoMobileNetV2 = dataclasses.field(default_factory=EvoMobileNetV2)
    evo_mnasnet: EvoMnasNet = dataclasses.field(default_factory=EvoMnasNet)
    evo_efficientnet: EvoEfficientNet = dataclasses.field(default_factory=EvoEfficientNet)


class BackboneModel(tf.keras.Model):
    """A functional model from images to a dictionary of feature maps by level.

    Args:
      inputs, outputs: as of a functional model; the outputs' keys are levels as strings.
      num_heads: how many of the highest levels are not for detection, being the
        classification head at the size of the level below.
    """

    def __init__(self, inputs: tf.Tensor, outputs: Any, num_heads: int = 0, **kwargs: Any):
        """Keeps the shapes of the levels that a decoder can use."""
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        levels = sorted(outputs, key=int)
        levels = levels[: len(levels) - num_heads]
        self._output_specs = {level: outputs[level].shape for level in levels}

    @property
    def output_specs(self) -> dict[str, tf.TensorShape]:
        """Shapes of the feature maps that a decoder can use, by level."""
        return self._output_specs


@factory.register_backbone_builder("evo_resnet")
def build_evo_resnet(
    input_specs: tf.keras.layers.InputSpec,
    backbone_config: hyperparams.OneOfConfig,
    norm_activation_config: Any,
    l2_regularizer: tf.keras.regularizers.Regularizer | None = None,
) -> BackboneModel:
    """Builds `EvoResNet`; called by tf-models-official's factory."""
    config: EvoResNet = backbone_config.get()
    net = resnet_network(**_settings(config, norm_activation_config, l2_regularizer))
    images = tf.keras.Input(input_specs.shape[1:])
    spec = resnet_spec(config.depth)
    features = resnet_features(net, images, spec, config.version, config.width)
    return _model(images, features, num_heads=0)


@factory.register_backbone_builder("evo_mobilenet_v2")
def build_evo_mobilenet_v2(
    input_specs: tf.keras.layers.InputSpec,
    backbone_config: hyperparams.OneOfConfig,
    norm_activation_config: Any,
    l2_regularizer: tf.keras.regularizers.Regularizer | None = None,
) -> BackboneModel:
    """Builds `EvoMobileNetV2`; called by tf-models-official's factory."""
    config: EvoMobileNetV2 = backbone_config.get()
    spec = mobilenet_v2_spec(config.width)
    return _inverted_bottleneck(input_specs, config, spec, norm_activation_config, l2_regularizer)


@factory.register_backbone_builder("evo_mnasnet")
def build_evo_mnasnet(
    input_specs: tf.keras.layers.InputSpec,
    backbone_config: hyperparams.OneOfConfig,
    norm_activation_config: Any,
    l2_regularizer: tf.keras.regularizers.Regularizer | None = None,
) -> BackboneModel:
    """Builds `EvoMnasNet`; called by tf-models-official's factory."""
    config: EvoMnasNet = backbone_config.get()
    spec = mnasnet_spec(config.width)
    return _inverted_bottleneck(input_specs, config, spec, norm_activation_config, l2_regularizer)


@factory.register_backbone_builder("evo_efficientnet")
def build_evo_efficientnet(
    input_specs: tf.keras.layers.InputSpec,
    backbone_config: hyperparams.OneOfConfig,
    norm_activation_config: Any,
    l2_regularizer: tf.keras.regularizers.Regularizer | None = None,
) -> BackboneModel:
    """Builds `EvoEfficientNet`; called by tf-models-official's factory."""
    config: EvoEfficientNet = backbone_config.get()
    chosen = variant(config.variant)
    spec = efficientnet_spec(chosen.width * config.width, chosen.depth, config.stochastic_depth)
    return _inverted_bottleneck(input_specs, config, spec, norm_activation_config, l2_regularizer)


def _settings(
    config: _NormActBackbone,
    norm_activation: Any,
    l2_regularizer: tf.keras.regularizers.Regularizer | None,
) -> dict[str, Any]:
    """The arguments of `Network`; those of the layer precede a task's `norm_activation`."""
    defaults = {
        "epsilon": norm_activation.norm_epsilon,
        "momentum": norm_activation.norm_momentum,
        "synchronized": norm_activation.use_sync_bn,
    }
    layer, arguments = norm_act.resolve(
        config.norm_act, config.norm_act_args.given(), defaults, field="norm_act"
    )
    return {
        "norm_act": layer,
        "norm_act_args": arguments,
        "kernel_regularizer": l2_regularizer,
        "unit_strides": config.unit_strides,
    }


def _inverted_bottleneck(
    input_specs: tf.keras.layers.InputSpec,
    config: Any,
    spec: InvertedBottleneckSpec,
    norm_activation: Any,
    l2_regularizer: tf.keras.regularizers.Regularizer | None,
) -> BackboneModel:
    net = inverted_bottleneck.network(**_settings(config, norm_activation, l2_regularizer))
    images = tf.keras.Input(input_specs.shape[1:])
    return _model(images, inverted_bottleneck.features(net, images, spec), num_heads=1)


def _model(images: tf.Tensor, features: dict[int, Any], num_heads: int) -> BackboneModel:
    outputs = {str(level): tensor for level, tensor in features.items()}
    return BackboneModel(images, outputs, num_heads=num_heads)
