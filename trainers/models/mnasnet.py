"""MnasNet-B1 (Tan et al. 2019), the one without squeeze-and-excitation."""

from typing import Any

import tensorflow as tf

from evonorm_tf.factory import NormAct
from trainers.models import inverted_bottleneck
from trainers.models.inverted_bottleneck import InvertedBottleneckSpec, Stage

_STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(3, 24, 3, 2, 3),
    Stage(3, 40, 5, 2, 3),
    Stage(3, 80, 5, 2, 6),
    Stage(2, 96, 3, 1, 6),
    Stage(4, 192, 5, 2, 6),
    Stage(1, 320, 3, 1, 6),
)
_HEAD_FILTERS = 1280


def mnasnet_spec(width: float = 1.0) -> InvertedBottleneckSpec:
    """The layout for a width multiplier, which leaves the head as it is."""
    return inverted_bottleneck.scaled_spec(_STAGES, width, _HEAD_FILTERS)


def mnasnet(
    width: float = 1.0,
    norm_act: NormAct = "bn_relu",
    *,
    input_shape: tuple[int | None, ...] = (224, 224, 3),
    num_classes: int = 1000,
    dropout: float = 0.2,
    name: str | None = None,
    **settings: Any,
) -> tf.keras.Model:
    """A MnasNet-B1 classifier. Linear bottlenecks take the layer's linear form.

    Args:
      width: multiplies all filters but the head's, made divisible by 8; 0.5, 0.75, 1.0
        and 1.3 are published.
      norm_act: registered name, `LayerGraph` or callable; see `norm_act_factory`.
      input_shape: without the batch; spatial sizes may be None.
      num_classes: number of logits.
      dropout: rate before the logits.
      name: of the model.
      **settings: of `Network`: norm_act_args, kernel_regularizer, data_format, unit_strides.

    Returns:
      A functional model from images to logits.
    """
    net = inverted_bottleneck.network(norm_act, **settings)
    name = name or f"mnasnet_b1_{width:g}"
    spec = mnasnet_spec(width)
    return inverted_bottleneck.classifier(net, spec, input_shape, num_classes, dropout, name)
