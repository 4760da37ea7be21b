"""ResNet v1 and v2 (He et al. 2015, 2016) in the layout of the EvoNorm authors' code."""

import dataclasses
import functools
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.factory import NormAct
from trainers.models.network import Network

# Authors' code: tf.variance_scaling_initializer() for convolutions, N(0, 0.01) for logits.
_conv_initializer = functools.partial(
    tf.keras.initializers.VarianceScaling, 1.0, "fan_in", "truncated_normal"
)
_logits_initializer = functools.partial(tf.keras.initializers.RandomNormal, stddev=0.01)
_BOTTLENECK_EXPANSION = 4


@dataclasses.dataclass(frozen=True)
class ResNetSpec:
    """A ResNet's layout.

    Attributes:
      blocks: residual blocks of each stage; every stage but the first reduces by 2.
      bottleneck: 1x1-3x3-1x1 blocks rather than 3x3-3x3.
      filters: of the 3x3 convolutions of each stage, before the width multiplier.
      stem: "conv7" (7x7 at stride 2, max pooling), "deep" (three 3x3, max pooling), or
        "conv3" (one 3x3 at stride 1).
      average_down: projections reduce by average pooling, as in ResNet-D.
      symmetric_pool: the stem's pooling is padded alike on both sides, as in PyTorch.
    """

    blocks: tuple[int, ...]
    bottleneck: bool = True
    filters: tuple[int, ...] = (64, 128, 256, 512)
    stem: str = "conv7"
    average_down: bool = False
    symmetric_pool: bool = False


SPECS = {
    18: ResNetSpec((2, 2, 2, 2), bottleneck=False),
    34: ResNetSpec((3, 4, 6, 3), bottleneck=False),
    50: ResNetSpec((3, 4, 6, 3)),
    101: ResNetSpec((3, 4, 23, 3)),
    152: ResNetSpec((3, 8, 36, 3)),
    "50d": ResNetSpec((3, 4, 6, 3), stem="deep", average_down=True, symmetric_pool=True),
}


def resnet(
    depth: int | str | ResNetSpec = 50,
    norm_act: NormAct = "bn_relu",
    *,
    version: int = 2,
    width: float = 1.0,
    input_shape: tuple[int | None, ...] = (224, 224, 3),
    num_classes: int = 1000,
    dropout: float = 0.0,
    name: str | None = None,
    **settings: Any,
) -> tf.keras.Model:
    """A ResNet classifier: a functional model from images to logits.

    Version 2 is pre-activation: a norm-act layer stands before each convolution, none after
    the stem and one after the last block. Version 1 ends branches (with gamma from 0) and
    projections with the layer's linear form, and a ReLU follows the addition.

    Args:
      depth: 18, 34, 50, 101, 152, "50d", or a `ResNetSpec`.
      norm_act: registered name, `LayerGraph` or callable; see `norm_act_factory`.
      version: 1 (post-activation) or 2 (pre-activation).
      width: multiplies all filters.
      input_shape: without the batch; spatial sizes may be None.
      num_classes: number of logits.
      dropout: rate before the logits.
      name: of the model.
      **settings: of `Network`: norm_act_args, kernel_regularizer, data_format, unit_strides.

    Raises:
      ValueError: for an unknown depth or version.
    """
    spec = resnet_spec(depth)
    label = "custom" if isinstance(depth, ResNetSpec) else depth
    net = resnet_network(norm_act, **settings)
    images = tf.keras.Input(input_shape)
    features = resnet_features(net, images, spec, version, width)
    logits = net.classifier(features[max(features)], num_classes, dropout, _logits_initializer())
    return tf.keras.Model(images, logits, name=name or f"resnet{label}_v{version}")


def resnet_network(norm_act: NormAct, **settings: Any) -> Network:
    """The `Network` of a ResNet: fixed padding and the authors' initializer."""
    return Network(norm_act, make_initializer=_conv_initializer, padding="fixed", **settings)


def resnet_features(
    net: Network, images: tf.Tensor, spec: ResNetSpec, version: int, width: float
) -> dict[int, tf.Tensor]:
    """The activated feature maps of a ResNet by level; level k is 2^k times smaller.

    In version 2 all except the last are the activated input of the next stage.
    """
    if version not in (1, 2):
        raise ValueError(f"`version` must be 1 or 2. Received: version={version!r}")
    filters = [max(1, int(number * width)) for number in spec.filters]
    x = _stem(net, images, spec, filters[0], version)
    features = {}
    for stage, (count, number) in enumerate(zip(spec.blocks, filters, strict=True), start=1):
        for index in range(count):
            name, first = f"stage{stage}_block{index + 1}", index == 0
            nominal_strides = 2 if first and stage > 1 else 1
            if version == 1:
                convs = _convolutions(spec, number, net.reduction(nominal_strides))
                x = _post_activation_block(net, x, spec, convs, first, name)
                features[net.level] = x
                continue
            activated = net.norm_act(x, f"{name}_norm_act1")
            if first and stage > 1:
                features[net.level] = activated
            convs = _convolutions(spec, number, net.reduction(nominal_strides))
            x = _pre_activation_block(net, x, activated, spec, convs, name)
    if version == 2:
        features[net.level] = net.norm_act(x, "final_norm_act")
    return features


def resnet_spec(depth: int | str | ResNetSpec) -> ResNetSpec:
    """The layout for a depth; a `ResNetSpec` is returned unchanged."""
    if isinstance(depth, ResNetSpec):
        return depth
    if depth not in SPECS:
        depths = ", ".join(map(repr, SPECS))
        raise ValueError(f"`depth` must be one of {depths}. Received: depth={depth!r}")
    return SPECS[depth]


class _Conv(NamedTuple):
    kernel_size: int
    filters: int
    strides: int


def _convolutions(spec: ResNetSpec, filters: int, strides: int) -> list[_Conv]:
    """The convolutions of a block's residual branch."""
    if not spec.bottleneck:
        return [_Conv(3, filters, strides), _Conv(3, filters, 1)]
    expanded = filters * _BOTTLENECK_EXPANSION
    return [_Conv(1, filters, 1), _Conv(3, filters, strides), _Conv(1, expanded, 1)]


def _stem(net: Network, x: tf.Tensor, spec: ResNetSpec, filters: int, version: int) -> tf.Tensor:
    if spec.stem == "conv3":
        x = net.conv(x, filters, 3, "stem_conv")
    elif spec.stem == "conv7":
        x = net.conv(x, filters, 7, "stem_conv", net.reduction(2))
    elif spec.stem == "deep":
        for index, number in enumerate((filters // 2, filters // 2), start=1):
            strides = net.reduction(2) if index == 1 else 1
            x = net.conv(x, number, 3, f"stem_conv{index}", strides)
            x = net.norm_act(x, f"stem_norm_act{index}")
        x = net.conv(x, filters, 3, "stem_conv3")
    else:
        raise ValueError(f"`stem` must be conv3, conv7 or deep. Received: stem={spec.stem!r}")
    if version == 1:
        x = net.norm_act(x, "stem_norm_act")
    if spec.stem == "conv3":
        return x
    return net.max_pool(x, 3, "stem_pool", net.reduction(2), symmetric=spec.symmetric_pool)


def _post_activation_block(
    net: Network, x: tf.Tensor, spec: ResNetSpec, convs: list[_Conv], project: bool, name: str
) -> tf.Tensor:
    """relu(shortcut + branch), where both end in the layer's linear form."""
    shortcut = x
    if project:
        shortcut = _projection(net, x, spec, convs, name)
        shortcut = net.norm_act(shortcut, f"{name}_shortcut_norm", nonlinearity=False)
    y = x
    for index, conv in enumerate(convs, start=1):
        y = net.conv(y, conv.filters, conv.kernel_size, f"{name}_conv{index}", conv.strides)
        if index < len(convs):
            y = net.norm_act(y, f"{name}_norm_act{index}")
    y = net.norm_act(y, f"{name}_norm", nonlinearity=False, gamma_initializer="zeros")
    y = net.residual(shortcut, y, name)
    return tf.keras.layers.ReLU(name=f"{name}_relu")(y)


def _pre_activation_block(
    net: Network,
    x: tf.Tensor,
    activated: tf.Tensor,
    spec: ResNetSpec,
    convs: list[_Conv],
    name: str,
) -> tf.Tensor:
    """Returns shortcut + branch; `activated` is the norm-act of x, the input of both."""
    y = activated
    for index, conv in enumerate(convs, start=1):
        if index > 1:
            y = net.norm_act(y, f"{name}_norm_act{index}")
        y = net.conv(y, conv.filters, conv.kernel_size, f"{name}_conv{index}", conv.strides)
    same_shape = net.channels(x) == convs[-1].filters and _total_strides(convs) == 1
    shortcut = x if same_shape else _projection(net, activated, spec, convs, name)
    return net.residual(shortcut, y, name)


def _projection(
    net: Network, x: tf.Tensor, spec: ResNetSpec, convs: list[_Conv], name: str
) -> tf.Tensor:
    strides = _total_strides(convs)
    if spec.average_down and strides > 1:
        x = net.average_pool(x, strides, f"{name}_shortcut_pool")
        strides = 1
    return net.conv(x, convs[-1].filters, 1, f"{name}_shortcut_conv", strides)


def _total_strides(convs: list[_Conv]) -> int:
    return max(conv.strides for conv in convs)
