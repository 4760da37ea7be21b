"""The anchors: small networks on which the search scores a layer (paper section 4).

The anchors named `*_cifar` are the paper's for CIFAR-10: the full networks at reduced width,
with stride 1 in their first two spatially reducing operations. Those named `*_small` belong to
the same families and are for the 8x8 digits: a training takes seconds on one core.

Importing this module does not import TensorFlow; building an anchor does.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

    from evonorm_tf.factory import NormAct

_CIFAR_SHAPE = (None, None, 3)
_DIGITS_SHAPE = (8, 8, 1)


@dataclasses.dataclass(frozen=True)
class Anchor:
    """An anchor network.

    Attributes:
      network: name of the builder in `trainers.models`.
      make_arguments: returns the builder's `arguments`.
      input_shape: default shape of an image.
      baseline: registered name of the norm-act layer that the published network has.
    """

    network: str
    make_arguments: Callable[[], dict[str, Any]]
    input_shape: tuple[int | None, ...]
    baseline: str

    @property
    def build(self) -> "Callable[..., tf.keras.Model]":
        """The network's builder; takes norm_act, num_classes and input_shape too."""
        from trainers import models  # with TensorFlow

        return getattr(models, self.network)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments that make the builder's network this anchor."""
        return self.make_arguments()


def _resnet_small() -> dict[str, Any]:
    from trainers.models.resnet import ResNetSpec  # with TensorFlow

    return {"depth": ResNetSpec((1, 2), filters=(8, 16), stem="conv3")}


def _inverted_small(kernel: int, se_ratio: float = 0.0) -> Any:
    from trainers.models.inverted_bottleneck import InvertedBottleneckSpec, Stage  # the same

    return InvertedBottleneckSpec(
        stem_filters=16,
        stages=(Stage(1, 16, 3, 1, 1), Stage(2, 24, kernel, 2, 4)),
        head_filters=64,
        se_ratio=se_ratio,
        stem_strides=1,
    )


def _mobilenet_v2_small() -> dict[str, Any]:
    return {"spec": _inverted_small(3), "dropout": 0.0}


def _efficientnet_small() -> dict[str, Any]:
    return {"spec": _inverted_small(5, 0.25), "dropout": 0.0, "stochastic_depth": 0.0}


def _half_width() -> dict[str, Any]:
    return {"width": 0.5, "unit_strides": 2}


ANCHORS = {
    "resnet50_cifar": Anchor(
        "resnet", partial(dict, depth=50, width=0.25, unit_strides=2), _CIFAR_SHAPE, "bn_relu"
    ),
    "mobilenet_v2_cifar": Anchor("mobilenet_v2", _half_width, _CIFAR_SHAPE, "bn_relu"),
    "efficientnet_b0_cifar": Anchor("efficientnet", _half_width, _CIFAR_SHAPE, "bn_silu"),
    "resnet_small": Anchor("resnet", _resnet_small, _DIGITS_SHAPE, "bn_relu"),
    "mobilenet_v2_small": Anchor("mobilenet_v2", _mobilenet_v2_small, _DIGITS_SHAPE, "bn_relu"),
    "efficientnet_small": Anchor("efficientnet", _efficientnet_small, _DIGITS_SHAPE, "bn_silu"),
}


def build_anchor(
    name: str,
    norm_act: "NormAct",
    num_classes: int = 10,
    input_shape: tuple[int | None, ...] | None = None,
) -> "tf.keras.Model":
    """A new anchor network, from images to logits.

    Args:
      name: one of `ANCHORS`.
      norm_act: registered name, `LayerGraph` or callable; see `norm_act_factory`. A norm
        that no activation follows takes the layer's linear form.
      num_classes: number of logits.
      input_shape: without the batch. Default: the anchor's; spatial sizes of the CIFAR-10
        anchors are unknown, since they train on 24x24 crops and are scored on 32x32.

    Raises:
      ValueError: for an unknown name.
    """
    if name not in ANCHORS:
        raise ValueError(f"`name` must be one of {', '.join(ANCHORS)}. Received: name={name!r}")
    anchor = ANCHORS[name]
    return anchor.build(
        norm_act=norm_act,
        num_classes=num_classes,
        input_shape=input_shape or anchor.input_shape,
        name=name,
        **anchor.arguments,
    )
