"""Base classes of all layers: their arguments and checks, gamma and beta, dtypes."""

import inspect
import math
import numbers
import textwrap
from typing import Any

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.layers import misspelt
from evonorm_tf.numerics import masks, statistics

_RANKS = (3, 4, 5)
V_ARGUMENT = 'v_initializer: of the trainable vector v; default "ones".'


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


def public_layer(cls):
    """Registers a layer with Keras, and completes its docstring.

    The docstring gets the arguments that the class and its bases describe in ARGUMENTS.
    """
    described = [vars(base).get("ARGUMENTS", "") for base in cls.__mro__]
    arguments = textwrap.indent("\n".join(filter(None, described)), "  ")
    cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}\n\nArgs:\n{arguments}\n{_COMMON_DOCUMENTATION}"
    return compat.serializable(cls)


_COMMON_DOCUMENTATION = """
Call arguments:
  inputs: floating-point tensor of any dtype.
  training: whether to run in training mode; only batch statistics depend on it.
  mask: bool, of the input's shape without its last axis, which must be the channel axis.
    Statistics count only positions where it is True; every position is normalized. Default:
    all positions count.

Input shape:
  Rank 3, 4 or 5: (batch, 1 to 3 spatial axes, channels), or with the channels at `axis`.
  Batch and spatial sizes may be unknown.

Output shape:
  The input's.

Raises:
  ValueError: for an argument out of its range; in `build`, for an input of another rank or
    with an unknown number of channels.
"""


class ChannelLayer(tf.keras.layers.Layer):
    """A Keras layer over feature maps with a channel axis; the output has the input's shape."""

    ARGUMENTS = textwrap.dedent("""\
        axis: index of the channel axis, not 0; default -1.
        epsilon: added to variances and second moments, inside the square root; default 1e-5.
        **kwargs: Keras's own: name, dtype, trainable, autocast.""")

    def __init__(self, *, axis=-1, epsilon=1e-5, **kwargs):
        # Keras must not cast the input before `call`: 70000 would be inf in float16.
        kwargs.setdefault("autocast", False)
        misspelt.check(type(self), kwargs)
        super().__init__(**kwargs)
        self.axis = check_axis(axis)
        self.epsilon = check_number("epsilon", epsilon, 0.0, math.inf)
        self.supports_masking = True

    # No layer needs AutoGraph, whose conversion takes most of the tracing time.
    @tf.autograph.experimental.do_not_convert
    def call(self, inputs, training=None, mask=None):
        """The layer's output, of the input's shape and in the layer's compute dtype.

        Args:
          inputs: a floating-point tensor of rank 3, 4 or 5, or the tensors that the layer takes.
          training: whether to run in training mode, a bool or a boolean tensor; None counts as
            False. Only batch statistics depend on it.
          mask: a boolean tensor of the input's shape without the channels, which must be its last
            axis; statistics count only the positions where it is True.

        Raises:
          ValueError: for an integer input, or a mask of another shape.
        """
        if mask is None or isinstance(inputs, (list, tuple)):  # ADD and its like have no statistics
            return self._call(inputs, training)
        with masks.applied(self._checked_mask(mask, inputs)):
            return self._call(inputs, training)

    def _call(self, inputs, training):
        raise NotImplementedError

    def _checked_mask(self, mask, inputs) -> tf.Tensor:
        mask, rank = tf.cast(tf.convert_to_tensor(mask), tf.bool), len(inputs.shape)
        if mask.shape.rank != rank - 1 or self.axis % rank != rank - 1:
            raise ValueError(
                "`mask` must have the input's shape without its last axis, which must be the "
                f"channels'. Received: mask of shape {mask.shape}, input of shape "
                f"{inputs.shape}, axis={self.axis}"
            )
        return mask[..., None]

    def compute_output_shape(self, input_shape):
        """The shape of the input; batch and spatial sizes may be None."""
        return compat.output_shape(input_shape)

    def _set_channels(self, input_shape) -> None:
        """Checks the shape, sets `channels`, and fixes rank and channels of later inputs."""
        shape, self.channels = check_input_shape(input_shape, self.axis)
        self.input_spec = tf.keras.layers.InputSpec(
            ndim=len(shape), axes={self.axis % len(shape): self.channels}
        )

    def _checked(self, inputs) -> tf.Tensor:
        x = tf.convert_to_tensor(inputs)
        if not x.dtype.is_floating:
            raise ValueError(
                f"{type(self).__name__} needs floating-point input. Received: {x.dtype.name}"
            )
        return x

    def _to_statistics_dtype(self, inputs) -> tf.Tensor:
        return statistics.widened(self._checked(inputs))

    def _per_channel(self, weight, x: tf.Tensor) -> tf.Tensor:
        """A weight (channels,) in the statistics dtype and rank of x; it broadcasts to x."""
        dtype = statistics.statistics_dtype(x.dtype)
        return tf.reshape(tf.cast(tf.convert_to_tensor(weight), dtype), self._channel_shape(x))

    def _aligned(self, vector: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """A vector (channels,) in a shape that broadcasts to x."""
        is_last = self.axis % x.shape.rank == x.shape.rank - 1
        return vector if is_last else tf.reshape(vector, self._channel_shape(x))

    def _channel_shape(self, x: tf.Tensor) -> list[int]:
        shape = [1] * x.shape.rank
        shape[self.axis] = self.channels
        return shape

    def get_config(self):
        """The constructor's arguments, as values that a Keras file can hold."""
        own = {"axis": self.axis, "epsilon": self.epsilon, "autocast": compat.autocasts(self)}
        return {**super().get_config(), **own}


class NormAct(ChannelLayer):
    """Base of all normalization-activation layers: gamma, beta, and their arguments.

    A subclass computes its formula in `_forward`, in float32 (float64 for float64 input);
    the result is cast to the layer's compute dtype.

    Attributes:
      gamma_before_activation: whether gamma and beta apply to the normalized input, before the
        activation. If so, `formula(z, scale=, offset=)`, with `v=` where the layer has v, is the
        rest of the layer after the normalization. Otherwise the layer ends with gamma and beta.
    """

    gamma_before_activation = False

    ARGUMENTS = textwrap.dedent("""\
        nonlinearity: False where no activation follows the normalization in the host network;
          default True.
        gamma_initializer, beta_initializer: of the channel-wise scale and offset; default
          "ones" and "zeros".
        gamma_regularizer, beta_regularizer: of scale and offset; default None.
        gamma_constraint, beta_constraint: of scale and offset; default None.""")

    def __init__(
        self,
        *,
        nonlinearity=True,
        gamma_initializer="ones",
        beta_initializer="zeros",
        gamma_regularizer=None,
        beta_regularizer=None,
        gamma_constraint=None,
        beta_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.nonlinearity = check_bool("nonlinearity", nonlinearity)
        self.gamma_initializer = tf.keras.initializers.get(gamma_initializer)
        self.beta_initializer = tf.keras.initializers.get(beta_initializer)
        self.gamma_regularizer = tf.keras.regularizers.get(gamma_regularizer)
        self.beta_regularizer = tf.keras.regularizers.get(beta_regularizer)
        self.gamma_constraint = tf.keras.constraints.get(gamma_constraint)
        self.beta_constraint = tf.keras.constraints.get(beta_constraint)

    def build(self, input_shape):
        """Creates gamma and beta, each of shape (channels,) and float32.

        Raises:
          ValueError: for a rank other than 3, 4 or 5, or an unknown number of channels.
        """
        self._set_channels(input_shape)
        self.gamma = self._add_vector("gamma")
        self.beta = self._add_vector("beta")
        super().build(input_shape)

    def _call(self, inputs, training):
        y = self._forward(self._to_statistics_dtype(inputs), training)
        return tf.cast(y, self.compute_dtype)

    def _forward(self, x: tf.Tensor, training) -> tf.Tensor:
        raise NotImplementedError

    def _affine(self, x: tf.Tensor) -> tf.Tensor:
        gamma, beta = (tf.cast(tf.convert_to_tensor(w), x.dtype) for w in (self.gamma, self.beta))
        return x * self._aligned(gamma, x) + self._aligned(beta, x)

    def _add_vector(self, name: str):
        return compat.add_float32_weight(
            self,
            name,
            (self.channels,),
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer", None),
            constraint=getattr(self, f"{name}_constraint", None),
        )

    def get_config(self):
        """The constructor's arguments; initializers and the like are serialized."""
        initializers, regularizers = tf.keras.initializers, tf.keras.regularizers
        constraints = tf.keras.constraints
        return {
            **super().get_config(),
            "nonlinearity": self.nonlinearity,
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
            "beta_constraint": constraints.serialize(self.beta_constraint),
        }
