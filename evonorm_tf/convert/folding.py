"""Keeps the affine map of a batch norm that is fused with its activation.

In inference, batch normalization is u = scale * x + offset, and the activation bends at u = 0. An
EvoNorm has no scale and no offset before its own nonlinearity, which bends at x = 0, so its input
must be u. If there is a convolution before the norm, it computes u, with a bias; otherwise an
additional layer, x * gamma + beta, does.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf.convert import sources
from evonorm_tf.convert.model_graph import Call, ModelGraph
from evonorm_tf.convert.plan import Plan
from evonorm_tf.layers.evonorm_s import EvoNormS0

_CONVOLUTIONS = (tf.keras.layers.Conv1D, tf.keras.layers.Conv2D, tf.keras.layers.Conv3D)
_LINEAR = (*_CONVOLUTIONS, tf.keras.layers.DepthwiseConv2D, tf.keras.layers.Dense)
_TRANSPOSED = (
    tf.keras.layers.Conv1DTranspose,
    tf.keras.layers.Conv2DTranspose,
    tf.keras.layers.Conv3DTranspose,
)


def plan_folding(plan: Plan, target: Any) -> None:
    """Plans which convolutions compute a norm, and which norms need an additional layer."""
    calls: dict[int, list[tuple[ModelGraph, Call]]] = {}
    for graph in plan.graphs:
        for call in graph.calls:
            calls.setdefault(id(call.layer), []).append((graph, call))
    for (graph, call), *others in calls.values():
        norm = call.layer
        if not plan.nonlinearity.get(id(norm)) or not sources.is_batch_norm(norm):
            continue
        if target.subtracts_batch_mean:
            continue
        place = plan.places[id(norm)]
        before = None if others else _convolution(graph, call)
        if before is not None and len(calls[id(before)]) == 1:
            plan.folded[id(before)] = norm
            place.reason += f"; {before.name} has its scale and offset now"
        elif target.bends_at_zero:
            plan.with_affine.add(id(norm))
            place.reason += "; x * gamma + beta comes before it"


def is_linear(layer: Any) -> bool:
    """Whether a layer is a convolution or a dense layer without an activation."""
    if not isinstance(layer, _LINEAR) or isinstance(layer, _TRANSPOSED):
        return False
    separable = isinstance(
        layer, (tf.keras.layers.SeparableConv1D, tf.keras.layers.SeparableConv2D)
    )
    return not separable and getattr(layer.activation, "__name__", "") == "linear"


def _convolution(graph: ModelGraph, call: Call) -> Any:
    """The layer whose output only a norm uses; None if there is none."""
    (x,) = graph.inputs(call)[:1]
    before = graph.producer(x)
    if before is None or not is_linear(before.layer):
        return None
    if graph.is_output(x) or len(graph.consumers(x)) != 1:
        return None
    return before.layer if _has_channels_of(before.layer, call.layer, len(x.shape)) else None


def _has_channels_of(layer: Any, norm: Any, rank: int) -> bool:
    """Whether a norm's channels are the output channels of a layer."""
    is_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return (sources.channel_axis(norm) or 0) % rank == (rank - 1 if is_last else 1)


def with_bias(layer: Any) -> Any:
    """A new layer with the same settings, and a bias."""
    return type(layer).from_config({**layer.get_config(), "use_bias": True})


def fold(layer: Any, norm: Any, new: Any) -> None:
    """Sets the weights of `new` to those of a layer and the batch norm after it."""
    scale, offset = affine_of(norm)
    kernel, *bias = layer.get_weights()
    is_depthwise = isinstance(layer, tf.keras.layers.DepthwiseConv2D)
    factor = scale.reshape(kernel.shape[-2:]) if is_depthwise else scale
    new.set_weights([kernel * factor, offset + (bias[0] * scale if bias else 0)])


def affine_layer(norm: Any) -> Any:
    """A new layer x * gamma + beta, to stand before the layer that replaces a norm."""
    dtype = norm.get_config()["dtype"]
    return EvoNormS0(
        nonlinearity=False,
        axis=sources.channel_axis(norm),
        name=f"{norm.name}_affine",
        dtype=dtype,
    )


def affine_of(norm: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset of a batch norm in inference, each of shape (channels,)."""
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    gamma, beta = (getattr(norm, name, None) for name in ("gamma", "beta"))
    gamma = np.ones_like(mean) if gamma is None else np.asarray(gamma)
    beta = np.zeros_like(mean) if beta is None else np.asarray(beta)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale
