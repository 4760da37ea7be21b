"""The layers that a conversion can replace: their kind, their form, and their settings."""

from typing import Any

import tensorflow as tf

from evonorm_tf.layers import base, parts
from evonorm_tf.layers.batch_norm import BatchNormReLU, BatchNormSiLU

KINDS = ("batch", "group", "layer", "norm_act")
_KERAS = {
    "batch": tf.keras.layers.BatchNormalization,
    "group": tf.keras.layers.GroupNormalization,
    "layer": tf.keras.layers.LayerNormalization,
}


def kind(layer: Any) -> str | None:
    """One of KINDS; None for a layer that cannot be replaced."""
    if isinstance(layer, base.NormAct):
        return "norm_act"
    return next((name for name, cls in _KERAS.items() if isinstance(layer, cls)), None)


def form(layer: Any) -> str | None:
    """The tensor to which gamma and beta apply.

    Returns:
      "normalized": the normalized input, before any activation; "activated": the result of
      the nonlinearity; "plain": the input itself; None for a layer of another package.
    """
    if isinstance(layer, base.NormAct) and not layer.gamma_before_activation:
        return "activated" if layer.nonlinearity else "plain"
    return None if kind(layer) is None else "normalized"


def is_batch_norm(layer: Any) -> bool:
    """Whether a layer subtracts the batch mean and divides by the batch deviation."""
    return isinstance(layer, (BatchNormReLU, BatchNormSiLU, _KERAS["batch"]))


def channel_axis(layer: Any) -> int | None:
    """The axis of gamma and beta; None if there are several."""
    axis = layer.axis
    if isinstance(axis, int):
        return axis
    return int(axis[0]) if len(axis) == 1 else None


def obstacle(layer: Any, rank: int | None) -> str | None:
    """Why a norm-act layer cannot replace a source; None if it can."""
    axis = channel_axis(layer)
    if rank not in (3, 4, 5):
        return f"its input has rank {rank}; norm-act layers need 3, 4 or 5"
    if axis is None:
        return f"it normalizes over the axes {list(layer.axis)}"
    if kind(layer) == "layer" and axis % rank != rank - 1:
        return f"it normalizes over axis {axis}, not over the channels"
    return None


def settings(layer: Any, target: Any) -> dict[str, Any]:
    """The constructor arguments that a target takes from a source.

    It takes epsilon and momentum only if both layers normalize in the same way, since their
    defaults differ.
    """
    names = ["synchronized", "groups", "gamma_regularizer", "beta_regularizer"]
    if form(layer) == form(target) == "normalized" or type(layer) is type(target):
        names += ["epsilon", "momentum"]
    taken = {
        name: getattr(layer, name)
        for name in names
        if hasattr(layer, name) and hasattr(target, name)
    }
    if isinstance(layer, parts.ChannelGroups) and isinstance(target, parts.ChannelGroups):
        taken["group_size"] = layer.group_size
    return taken
