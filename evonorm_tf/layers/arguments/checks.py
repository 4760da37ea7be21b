"""Checks of constructor arguments, input shapes and masks; their errors name the rule."""

import math
import numbers
from typing import Any

_RANKS = (3, 4, 5)


def arguments(own_locals: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an `__init__` from its `locals()`, with **kwargs merged in."""
    given = {name: v for name, v in own_locals.items() if name not in ("self", "__class__")}
    return {**given.pop("kwargs"), **given}


def check_bool(name: str, value: Any) -> bool:
    """Returns `value`, or raises ValueError when it is not a bool."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
    return value


def check_positive_int(name: str, value: Any) -> int:
    """Returns `value` as an int, or raises ValueError when it is not a positive integer."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    return int(value)


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """Returns `value` as a float, or raises ValueError when it is not within [low, high]."""
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Real)
        or not (math.isfinite(value) and low <= float(value) <= high)
    ):
        bounds = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"finite, at least {low:g}"
        raise ValueError(f"`{name}` must be a number {bounds}. Received: {name}={value!r}")
    return float(value)


def check_axis(axis: Any) -> int:
    """Returns `axis` as an int, or raises ValueError for no integer or the batch axis."""
    if isinstance(axis, bool) or not isinstance(axis, numbers.Integral) or axis == 0:
        raise ValueError(
            "`axis` must be the integer index of the channel axis; 0 is the batch. "
            f"Received: axis={axis!r}"
        )
    return int(axis)


def check_input_shape(shape: Any, axis: int) -> tuple[tuple[int | None, ...], int]:
    """Returns the input's shape and its number of channels, or raises ValueError."""
    rank = getattr(shape, "rank", len(shape) if isinstance(shape, (tuple, list)) else None)
    if rank not in _RANKS:
        raise ValueError(
            "the input must have rank 3, 4 or 5: batch, 1 to 3 spatial axes, channels. "
            f"Received: shape {shape}"
        )
    shape = tuple(shape)
    if not -rank <= axis < rank or axis % rank == 0:
        raise ValueError(
            f"`axis` must name the channel axis of an input of rank {rank}, not its batch "
            f"axis. Received: axis={axis}"
        )
    channels = shape[axis]
    if channels is None or channels < 1:
        raise ValueError(
            f"the input's channels (axis {axis}) must be known and at least 1. "
            f"Received: shape {shape}"
        )
    return shape, int(channels)


def check_mask_shape(mask: Any, inputs: Any, axis: int) -> None:
    """Raises ValueError unless a mask's shape is the input's without the channels, the last axis.

    Args:
      mask: the mask's shape, of known rank.
      inputs: the input's shape.
      axis: the channel axis.
    """
    rank = len(inputs)
    if len(mask) != rank - 1 or axis % rank != rank - 1:
        raise ValueError(
            "`mask` must have the input's shape without its last axis, which must be the "
            f"channels'. Received: mask of shape {mask}, input of shape {inputs}, axis={axis}"
        )
