"""The network that the configuration of a classification asks for."""

import inspect

import tensorflow as tf

from trainers.classification.config import ModelConfig
from trainers.errors import TrainersError
from trainers.models import names, norm_act
from trainers.models.classifiers import CLASSIFIERS


def build_network(config: ModelConfig, recompute: bool = False) -> tf.keras.Model:
    """The configured network, from normalized images to logits.

    Its spatial sizes are unknown, since images of evaluation may be larger than crops. With
    `recompute` it is for training alone, and has the same variables.

    Raises:
      TrainersError: for an unknown network or layer, or an argument that the network does
        not have.
    """
    check_network(config.network)
    builder, arguments = CLASSIFIERS[config.network]
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
    defaults = {name: getattr(config, name) for name in ("groups", "momentum", "synchronized")}
    layer, layer_arguments = norm_act.resolve(config.norm_act, defaults=defaults)
    return builder(
        norm_act=layer,
        norm_act_args=layer_arguments,
        num_classes=config.num_classes,
        input_shape=(None, None, config.input_size[-1]),
        name=config.network,
        recompute=recompute,
        **arguments,
    )


def check_network(name: str) -> None:
    """Raises TrainersError for a name that is not one of the classifiers."""
    if name not in CLASSIFIERS:
        raise names.unknown_network(name, CLASSIFIERS)
