"""Networks of inverted bottlenecks: the common parts of MobileNetV2, MnasNet, EfficientNet."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from trainers.models.network import Network, make_divisible

# As in the MnasNet and EfficientNet code: He initialization by fan-out.
_conv_initializer = functools.partial(
    tf.keras.initializers.VarianceScaling, 2.0, "fan_out", "untruncated_normal"
)
# In that code the range of the first logits' kernel is 1 / sqrt(classes), 0.032 for ImageNet. From
# the fan-in it is 0.028 there, and logits start equally small with any number of classes. With
# ten, the fan-out starts losses at 3 to 5 and gradients at norms of 40 to 160.
_logits_initializer = functools.partial(
    tf.keras.initializers.VarianceScaling, 1 / 3, "fan_in", "uniform"
)

_STEM_FILTERS = 32  # at width 1


class Stage(NamedTuple):
    """Equal blocks in a row; the first one has the strides."""

    repeats: int
    filters: int
    kernel_size: int
    strides: int
    expansion: int


@dataclasses.dataclass(frozen=True)
class InvertedBottleneckSpec:
    """A network's layout, width and depth multipliers applied.

    Attributes:
      stem_filters: of the first convolution, 3x3 at `stem_strides`.
      stages: the blocks.
      head_filters: of the last convolution, 1x1.
      se_ratio: squeeze-and-excitation filters over a block's input channels; 0 for none.
      stochastic_depth: drop rate that the last block would have; grows linearly from 0.
      stem_strides: of the first convolution.
    """

    stem_filters: int
    stages: tuple[Stage, ...]
    head_filters: int
    se_ratio: float = 0.0
    stochastic_depth: float = 0.0
    stem_strides: int = 2

    def widened(self, width: float) -> "InvertedBottleneckSpec":
        """The layout with all filters multiplied, and made divisible by 8."""
        if width == 1.0:
            return self
        return dataclasses.replace(
            self,
            stem_filters=make_divisible(self.stem_filters * width),
            stages=_widened(self.stages, width),
            head_filters=make_divisible(self.head_filters * width),
        )


def scaled_spec(
    stages: Sequence[Stage], width: float, head_filters: float
) -> InvertedBottleneckSpec:
    """The layout with stem and stages `width` times as wide; all filters divisible by 8."""
    return InvertedBottleneckSpec(
        stem_filters=make_divisible(_STEM_FILTERS * width),
        stages=_widened(stages, width),
        head_filters=make_divisible(head_filters),
    )


def _widened(stages: Sequence[Stage], width: float) -> tuple[Stage, ...]:
    return tuple(s._replace(filters=make_divisible(s.filters * width)) for s in stages)


def network(norm_act: Any, **settings: Any) -> Network:
    """The `Network` of these families: padding "same" and He initialization."""
    return Network(norm_act, make_initializer=_conv_initializer, **settings)


def features(net: Network, images: tf.Tensor, spec: InvertedBottleneckSpec) -> dict[int, Any]:
    """Feature maps by level; level k is 2^k times smaller.

    They are the linear outputs of each level's last block. As in tf-models-official's
    EfficientNet, one more level holds the activated output of the head, at the same size.
    """
    x = net.conv(images, spec.stem_filters, 3, "stem_conv", net.reduction(spec.stem_strides))
    x = net.norm_act(x, "stem_norm_act")
    maps = {}
    count, position = sum(stage.repeats for stage in spec.stages), 0
    for number, stage in enumerate(spec.stages, start=1):
        for index in range(stage.repeats):
            strides = net.reduction(stage.strides if index == 0 else 1)
            block = stage._replace(repeats=1, strides=strides)
            drop_rate = spec.stochastic_depth * position / count
            x = _block(net, x, block, spec.se_ratio, drop_rate, f"stage{number}_block{index + 1}")
            maps[net.level] = x
            position += 1
    x = net.conv(x, spec.head_filters, 1, "head_conv")
    maps[net.level + 1] = net.norm_act(x, "head_norm_act")
    return maps


def classifier(
    net: Network,
    spec: InvertedBottleneckSpec,
    input_shape: tuple[int | None, ...],
    num_classes: int,
    dropout: float,
    name: str,
) -> tf.keras.Model:
    """A functional model from images to logits."""
    images = tf.keras.Input(input_shape)
    maps = features(net, images, spec)
    logits = net.classifier(maps[max(maps)], num_classes, dropout, _logits_initializer())
    return tf.keras.Model(images, logits, name=name)


def _block(
    net: Network, x: tf.Tensor, block: Stage, se_ratio: float, drop_rate: float, name: str
) -> tf.Tensor:
    """Expand, depthwise, squeeze-and-excite, linear projection; + x where shapes allow."""
    channels = net.channels(x)
    y = x
    if block.expansion != 1:
        y = net.conv(y, channels * block.expansion, 1, f"{name}_expand_conv")
        y = net.norm_act(y, f"{name}_expand_norm_act")
    y = net.depthwise_conv(y, block.kernel_size, f"{name}_depthwise_conv", block.strides)
    y = net.norm_act(y, f"{name}_depthwise_norm_act")
    if se_ratio:
        y = net.squeeze_excite(y, max(1, int(channels * se_ratio)), f"{name}_se")
    y = net.conv(y, block.filters, 1, f"{name}_project_conv")
    y = net.norm_act(y, f"{name}_project_norm", nonlinearity=False)
    if block.strides == 1 and channels == block.filters:
        y = net.residual(x, y, name, drop_rate)
    return y
