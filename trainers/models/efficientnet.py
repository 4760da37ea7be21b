"""EfficientNet-B0 to B7 (Tan and Le 2019).

Squeeze-and-excitation keeps its Swish and sigmoid whatever the norm-act layer is, and linear
bottlenecks take the layer's linear form.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.factory import NormAct
from trainers.models import inverted_bottleneck
from trainers.models.inverted_bottleneck import InvertedBottleneckSpec, Stage

_STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(2, 24, 3, 2, 6),
    Stage(2, 40, 5, 2, 6),
    Stage(3, 80, 3, 2, 6),
    Stage(3, 112, 5, 1, 6),
    Stage(4, 192, 5, 2, 6),
    Stage(1, 320, 3, 1, 6),
)
_HEAD_FILTERS, _SE_RATIO = 1280, 0.25


class Variant(NamedTuple):
    """Multipliers, input size and dropout rate of one of B0 to B7."""

    width: float
    depth: float
    resolution: int
    dropout: float


VARIANTS = {
    "b0": Variant(1.0, 1.0, 224, 0.2),
    "b1": Variant(1.0, 1.1, 240, 0.2),
    "b2": Variant(1.1, 1.2, 260, 0.3),
    "b3": Variant(1.2, 1.4, 300, 0.3),
    "b4": Variant(1.4, 1.8, 380, 0.4),
    "b5": Variant(1.6, 2.2, 456, 0.4),
    "b6": Variant(1.8, 2.6, 528, 0.5),
    "b7": Variant(2.0, 3.1, 600, 0.5),
}


def efficientnet_spec(
    width: float, depth: float, stochastic_depth: float = 0.2
) -> InvertedBottleneckSpec:
    """The layout for width and depth multipliers."""
    deeper = [s._replace(repeats=math.ceil(s.repeats * depth)) for s in _STAGES]
    return dataclasses.replace(
        inverted_bottleneck.scaled_spec(deeper, width, _HEAD_FILTERS * width),
        se_ratio=_SE_RATIO,
        stochastic_depth=stochastic_depth,
    )


def variant(name: str) -> Variant:
    """One of B0 to B7 by name. Raises ValueError for another."""
    if name not in VARIANTS:
        raise ValueError(f"`variant` must be one of {', '.join(VARIANTS)}. Received: {name!r}")
    return VARIANTS[name]


def efficientnet(
    variant_name: str = "b0",
    norm_act: NormAct = "bn_silu",
    *,
    width: float = 1.0,
    spec: InvertedBottleneckSpec | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int = 1000,
    dropout: float | None = None,
    stochastic_depth: float = 0.2,
    name: str | None = None,
    **settings: Any,
) -> tf.keras.Model:
    """An EfficientNet classifier: a functional model from images to logits.

    With "bn_silu" it is the published network plus a trainable slope that starts at 1.

    Args:
      variant_name: "b0" to "b7".
      norm_act: registered name, `LayerGraph` or callable; see `norm_act_factory`.
      width: multiplies the variant's own width.
      spec: another layout than the variant's, which `width` widens too.
      input_shape: without the batch; spatial sizes may be None. Default: the variant's.
      num_classes: number of logits.
      dropout: rate before the logits. Default: the variant's.
      stochastic_depth: rate at which the last block's branch would be dropped.
      name: of the model.
      **settings: of `Network`: norm_act_args, kernel_regularizer, data_format, unit_strides.

    Raises:
      ValueError: for an unknown variant.
    """
    chosen = variant(variant_name)
    net = inverted_bottleneck.network(norm_act, **settings)
    input_shape = input_shape or net.image_shape(chosen.resolution)
    spec = spec.widened(width) if spec else efficientnet_spec(chosen.width * width, chosen.depth)
    spec = dataclasses.replace(spec, stochastic_depth=stochastic_depth)
    dropout = chosen.dropout if dropout is None else dropout
    name = name or f"efficientnet_{variant_name}"
    return inverted_bottleneck.classifier(net, spec, input_shape, num_classes, dropout, name)
