"""Networks made from Keras models: their normalizations and activations become searched layers.

The places are found as `evonorm_tf.convert_model` finds them.
"""

import inspect
from typing import Any

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.convert import converter, sources
from evonorm_tf.convert.report import Report
from evonorm_tf.convert.targets import NormActTarget
from evonorm_tf.factory import NormAct
from trainers.errors import TrainersError, reason
from trainers.models.anchor_sources import APPLICATIONS

_LAYERS = tf.keras.layers
_PREPROCESSING = (_LAYERS.Rescaling, _LAYERS.Normalization)


def application(
    anchor: str, norm_act: NormAct, num_classes: int, input_shape: tuple[int | None, ...]
) -> tuple[tf.keras.Model, Report]:
    """A network of `tf.keras.applications` up to its pooling, with a dense layer for the logits.

    Returns:
      The network, and the report on its places.

    Raises:
      TrainersError: for an unknown name, and for an input shape that the network does not take.
    """
    name = anchor.removeprefix(APPLICATIONS)
    function = getattr(tf.keras.applications, name, None)
    if not inspect.isfunction(function):
        raise TrainersError(f"there is no network {name} in {APPLICATIONS[:-1]}")
    try:
        body = function(include_top=False, weights=None, pooling="avg", input_shape=input_shape)
        logits = _LAYERS.Dense(num_classes, name="logits")(body.output)
        return _converted(tf.keras.Model(body.input, logits, name=name), norm_act)
    except Exception as error:
        raise _refusal("building", error) from error


def from_file(path: str, norm_act: NormAct) -> tuple[tf.keras.Model, Report]:
    """The network of a model file or a SavedModel folder, with new weights.

    Returns:
      The network, and the report on its places.

    Raises:
      TrainersError: for a file that Keras cannot load in its safe mode, and for a model that is no
        graph of layers.
    """
    try:
        model = tf.keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise _refusal("loading", error) from error
    try:
        return _converted(model, norm_act)
    except Exception as error:
        raise _refusal("converting", error) from error


def _refusal(what: str, error: Exception) -> TrainersError:
    return TrainersError(
        f"{what} it raised {type(error).__name__}: {reason(error)} (a module:function can make any "
        "network)"
    )


def _converted(model: tf.keras.Model, norm_act: NormAct) -> tuple[tf.keras.Model, Report]:
    converter.check_model(model)
    if len(model.outputs) != 1:
        raise ValueError(f"the model must have one output. Received: {len(model.outputs)}")
    kinds = ("batch", "group", "layer", "norm_act")
    target = _SearchedTarget(norm_act, {})
    return converter.convert_to(_with_new_weights(model), target, "convert", kinds)


class _SearchedTarget(NormActTarget):
    """Creates a searched layer, also for a group or layer normalization without an activation.

    Where no activation follows a batch normalization, the layer is x * gamma + beta, as in the
    paper's networks. That would leave a transformer without any normalization.
    """

    def obstacle(self, source: Any, rank: int | None) -> str | None:
        """Why no searched layer can replace a source; None if one can."""
        axis = sources.channel_axis(source)
        if rank and axis is not None and axis % rank != rank - 1:
            return f"it normalizes over axis {axis}; searched layers have their channels last"
        return super().obstacle(source, rank)

    def layers(self, source: Any, nonlinearity: bool) -> list[Any]:
        """The layer that replaces a source; it has the source's name."""
        whole = nonlinearity or sources.kind(source) in ("group", "layer")
        return [self._make(nonlinearity=whole, name=source.name)]


def _with_new_weights(model: tf.keras.Model, makes_logits: bool = True) -> tf.keras.Model:
    """A copy with newly drawn weights, which maps the data as the search prepares it to logits.

    Layers that are not trainable keep their weights. The preprocessing at the input is left out,
    since the search normalizes the data, and so is a softmax at the output.
    """
    last = compat.producer(model.outputs[0]) if makes_logits else None

    def clone(layer: Any) -> Any:
        if isinstance(layer, tf.keras.Model):
            return _with_new_weights(layer, layer is last)
        config = layer.get_config()
        if _is_preprocessing(layer) or (layer is last and isinstance(layer, _LAYERS.Softmax)):
            return _LAYERS.Activation("linear", name=layer.name)
        if layer is last and getattr(layer, "activation", None) is tf.keras.activations.softmax:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    copy = tf.keras.models.clone_model(model, clone_function=clone)
    for old, new in zip(model.layers, copy.layers, strict=True):
        if not isinstance(old, tf.keras.Model) and not old.trainable and new.weights:
            new.set_weights(old.get_weights())
    return copy


def _is_preprocessing(layer: Any) -> bool:
    """Whether a layer scales the input, alone or after another that does."""
    if not isinstance(layer, _PREPROCESSING):
        return False
    before = compat.producer(layer.input)
    return isinstance(before, _LAYERS.InputLayer) or _is_preprocessing(before)
