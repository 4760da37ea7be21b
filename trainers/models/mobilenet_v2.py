"""MobileNetV2 (Sandler et al. 2018)."""

from typing import Any

import tensorflow as tf

from evonorm_tf.factory import NormAct
from trainers.models import inverted_bottleneck
from trainers.models.inverted_bottleneck import InvertedBottleneckSpec, Stage

_STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(2, 24, 3, 2, 6),
    Stage(3, 32, 3, 2, 6),
    Stage(4, 64, 3, 2, 6),
    Stage(3, 96, 3, 1, 6),
    Stage(3, 160, 3, 2, 6),
    Stage(1, 320, 3, 1, 6),
)
_HEAD_FILTERS = 1280


def mobilenet_v2_spec(width: float = 1.0) -> InvertedBottleneckSpec:
    """The layout for a width multiplier; widths below 1 leave the head as it is."""
    return inverted_bottleneck.scaled_spec(_STAGES, width, _HEAD_FILTERS * max(1.0, width))


def mobilenet_v2(
    width: float = 1.0,
    norm_act: NormAct = "bn_relu",
    *,
    spec: InvertedBottleneckSpec | None = None,
    input_shape: tuple[int | None, ...] = (224, 224, 3),
    num_classes: int = 1000,
    dropout: float = 0.2,
    name: str | None = None,
    **settings: Any,
) -> tf.keras.Model:
    """A MobileNetV2 classifier. Linear bottlenecks take the layer's linear form.

    Args:
      width: multiplies all filters, made divisible by 8.
      norm_act: registered name, `LayerGraph` or callable; see `norm_act_factory`. The
        published network has ReLU6, which `bn_relu` equals up to 6.
      spec: another layout, which `width` widens too.
      input_shape: without the batch; spatial sizes may be None.
      num_classes: number of logits.
      dropout: rate before the logits.
      name: of the model.
      **settings: of `Network`: norm_act_args, kernel_regularizer, data_format, unit_strides.

    Returns:
      A functional model from images to logits.
    """
    net = inverted_bottleneck.network(norm_act, **settings)
    spec = spec.widened(width) if spec else mobilenet_v2_spec(width)
    name = name or f"mobilenet_v2_{width:g}"
    return inverted_bottleneck.classifier(net, spec, input_shape, num_classes, dropout, name)
