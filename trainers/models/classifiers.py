"""The classifiers by name, as a configuration asks for them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainers.models.anchors import ANCHORS
from trainers.models.efficientnet import VARIANTS, efficientnet
from trainers.models.mnasnet import mnasnet
from trainers.models.mobilenet_v2 import mobilenet_v2
from trainers.models.resnet import resnet

Builder = Callable[..., tf.keras.Model]


def _classifiers() -> dict[str, tuple[Builder, dict[str, Any]]]:
    classifiers: dict[str, tuple[Builder, dict[str, Any]]] = {
        f"resnet{depth}": (resnet, {"depth": depth}) for depth in (18, 34, 50, 101)
    }
    classifiers["resnet50_v1"] = (resnet, {"depth": 50, "version": 1})
    classifiers["mobilenet_v2"] = (mobilenet_v2, {})
    classifiers["mnasnet_b1"] = (mnasnet, {})
    for variant in VARIANTS:
        classifiers[f"efficientnet_{variant}"] = (efficientnet, {"variant_name": variant})
    for name, anchor in ANCHORS.items():
        classifiers[name] = (anchor.build, anchor.arguments)
    return classifiers


# Each name's builder, and the arguments that make it this network.
CLASSIFIERS = _classifiers()
