"""Networks by name, as a configuration asks for them."""

import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.factory import NormAct
from evonorm_tf.layers.graph_layer import GraphLayer
from trainers import models
from trainers.configs.classification import ModelConfig
from trainers.errors import TrainersError
from trainers.models import names
from trainers.models.anchors import ANCHORS

Builder = Callable[..., tf.keras.Model]


def _networks() -> dict[str, tuple[Builder, dict[str, Any]]]:
    networks = {f"resnet{depth}": (models.resnet, {"depth": depth}) for depth in (18, 34, 50, 101)}
    networks["resnet50_v1"] = (models.resnet, {"depth": 50, "version": 1})
    networks["mobilenet_v2"] = (models.mobilenet_v2, {})
    networks["mnasnet_b1"] = (models.mnasnet, {})
    for number in range(8):
        variant = f"b{number}"
        networks[f"efficientnet_{variant}"] = (models.efficientnet, {"variant_name": variant})
    for name, anchor in ANCHORS.items():
        networks[name] = (anchor.build, anchor.arguments)
    return networks


NETWORKS = _networks()


def build_network(config: ModelConfig) -> tf.keras.Model:
    """The configured network, from normalized images to logits.

    Sizes of the images may be unknown to it, since crops are larger in evaluation.

    Raises:
      TrainersError: for an unknown network or layer, or an argument the network has not.
    """
    if config.network not in NETWORKS:
        raise names.unknown_network(config.network, NETWORKS)
    builder, arguments = NETWORKS[config.network]
    arguments = {**arguments, "width": config.width * arguments.get("width", 1.0)}
    for name in ("dropout", "stochastic_depth"):
        value = getattr(config, name)
        if value is None:
            continue
        if name not in inspect.signature(builder).parameters:
            raise TrainersError(
                f"`task.model.{name}` is not for {config.network}. Received: {name}={value}"
            )
        arguments[name] = value
    norm_act = layer_of(config.norm_act)
    channels = config.input_size[-1]
    return builder(
        norm_act=norm_act,
        norm_act_args=layer_arguments(norm_act, config),
        num_classes=config.num_classes,
        input_shape=(None, None, channels),
        name=config.network,
        **arguments,
    )


def layer_of(norm_act: str) -> NormAct:
    """A registered name as it is, or the layer graph of a JSON file.

    Raises:
      TrainersError: for neither.
    """
    names.check_layer(norm_act)
    return norm_act if norm_act in en.names() else en.LayerGraph.load(norm_act)


def layer_arguments(norm_act: NormAct, config: Any) -> dict[str, Any]:
    """Those of a model config's groups, momentum and synchronized that the layer takes."""
    probe = en.get(norm_act) if isinstance(norm_act, str) else GraphLayer(norm_act)
    taken = probe.get_config()
    wanted = {
        "groups": config.groups,
        "momentum": config.momentum,
        "synchronized": config.synchronized,
    }
    return {name: value for name, value in wanted.items() if name in taken}
