"""Arguments, weights and configuration of the layers, as bases that precede Keras's `Layer`.

A backend's layer adds how weights are created (`_add_float32_weight`, `_add_moving`) and what is
computed. So names, order and initial values of weights, and the configuration, are the same on
every backend, and a file of one loads on the others.
"""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from evonorm_tf import backend
from evonorm_tf.layers.arguments import checks, misspelt


class ChannelSettings:
    """Of a layer over feature maps with a channel axis."""

    ARGUMENTS = textwrap.dedent("""\
        axis: index of the channel axis, not 0; default -1.
        epsilon: added to variances and second moments, inside the square root; default 1e-5.
        **kwargs: Keras's own: name, dtype, trainable, autocast.""")

    def __init__(self, *, axis=-1, epsilon=1e-5, **kwargs):
        # Keras must not cast the input before `call`: 70000 would be inf in float16.
        kwargs.setdefault("autocast", False)
        misspelt.check(type(self), kwargs)
        super().__init__(**kwargs)
        self.axis = checks.check_axis(axis)
        self.epsilon = checks.check_number("epsilon", epsilon, 0.0, math.inf)
        self.supports_masking = True

    def _set_channels(self, input_shape) -> None:
        """Checks the shape, sets `channels`, and fixes rank and channels of later inputs."""
        shape, self.channels = checks.check_input_shape(input_shape, self.axis)
        self.input_spec = backend.keras().layers.InputSpec(
            ndim=len(shape), axes={self.axis % len(shape): self.channels}
        )

    def _add_float32_weight(self, name: str, **kwargs: Any) -> Any:
        """A weight (channels,) that stays float32 under any dtype policy."""
        raise NotImplementedError

    def get_config(self):
        """The constructor's arguments, as values that a Keras file can hold."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


class NormActSettings(ChannelSettings):
    """Of a normalization-activation layer: gamma and beta, and v where the formula has it.

    Attributes:
      gamma_before_activation: whether gamma and beta apply to the normalized input, before the
        activation. Otherwise the layer ends with gamma and beta.
    """

    gamma_before_activation = False
    # Whether nonlinearity=False leaves x * gamma + beta and no normalization.
    _LINEAR_IS_AFFINE = False
    _HAS_V = False

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
        v_initializer = kwargs.pop("v_initializer", None) if self._HAS_V else None
        super().__init__(**kwargs)
        keras = backend.keras()
        self.nonlinearity = checks.check_bool("nonlinearity", nonlinearity)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.beta_initializer = keras.initializers.get(beta_initializer)
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.beta_regularizer = keras.regularizers.get(beta_regularizer)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        self.beta_constraint = keras.constraints.get(beta_constraint)
        if self._HAS_V:
            self.v_initializer = keras.initializers.get(v_initializer)

    def build(self, input_shape):
        """Creates gamma and beta, and v of the same shape for a layer whose formula has it.

        Each is of shape (channels,) and float32.

        Raises:
          ValueError: for a rank other than 3, 4 or 5, or an unknown number of channels.
        """
        self._set_channels(input_shape)
        self.gamma = self._add_vector("gamma")
        self.beta = self._add_vector("beta")
        super().build(input_shape)
        self.v = self._add_vector("v") if self._HAS_V and self.nonlinearity else None

    def _add_vector(self, name: str):
        return self._add_float32_weight(
            name,
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer", None),
            constraint=getattr(self, f"{name}_constraint", None),
        )

    @property
    def _is_affine(self) -> bool:
        """Whether the layer is x * gamma + beta."""
        return self._LINEAR_IS_AFFINE and not self.nonlinearity

    def get_config(self):
        """The constructor's arguments, serialized; `v_initializer` for a layer that has v."""
        keras = backend.keras()
        kinds = {
            "initializer": ("gamma", "beta", "v") if self._HAS_V else ("gamma", "beta"),
            "regularizer": ("gamma", "beta"),
            "constraint": ("gamma", "beta"),
        }
        serialized = {
            f"{name}_{kind}": getattr(keras, f"{kind}s").serialize(getattr(self, f"{name}_{kind}"))
            for kind, names in kinds.items()
            for name in names
        }
        return {**super().get_config(), "nonlinearity": self.nonlinearity, **serialized}


class BatchSettings(ChannelSettings):
    """Of a layer with statistics of the batch in training, and moving averages in inference."""

    ARGUMENTS = textwrap.dedent("""\
        momentum: weight of the old value in each update of a moving average, in [0, 1];
          default 0.9.
        synchronized: whether all replicas of a distribution strategy share their batch
          statistics; default False. If not, each replica uses its own, and the moving
          averages are averaged over the replicas. With several replicas and
          synchronized=True, `training` must be a bool: TensorFlow cannot
          communicate inside a condition.""")

    def __init__(self, *, momentum=0.9, synchronized=False, **kwargs):
        super().__init__(**kwargs)
        self.momentum = checks.check_number("momentum", momentum, 0.0, 1.0)
        self.synchronized = checks.check_bool("synchronized", synchronized)

    @staticmethod
    def _moving_initializer(name: str) -> str:
        # As in the authors' code, variances start at 1: an untrained layer stays finite.
        return "zeros" if name.startswith("moving_mean") else "ones"

    def _add_moving(self, name: str) -> Any:
        """A moving average of shape (channels,) and float32."""
        raise NotImplementedError

    def get_config(self):
        """The constructor's arguments, with `momentum` and `synchronized`."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "synchronized": self.synchronized,
        }


class BatchNormActSettings(BatchSettings, NormActSettings):
    """Of a normalization-activation layer with moving averages."""

    # Names of the moving averages, in the order in which the layer observes statistics.
    _MOVING: tuple[str, ...]

    def build(self, input_shape):
        """Creates the moving averages too, each of shape (channels,) and float32.

        A linear form that is x * gamma + beta has no statistics, and no moving averages.
        """
        super().build(input_shape)
        if not self._is_affine:
            for name in self._MOVING:
                setattr(self, name, self._add_moving(name))

    def _moving_weights(self) -> Sequence:
        return [getattr(self, name) for name in self._MOVING if hasattr(self, name)]


class GroupSettings(ChannelSettings):
    """Of a layer with groups of neighbouring channels."""

    ARGUMENTS = textwrap.dedent("""\
        groups: upper bound of the number of channel groups; default 32. The layer uses the
          largest divisor of the channels up to it, its attribute `effective_groups`.
        group_size: channels per group, in place of `groups`; must divide the channels.
          Default None.""")

    def __init__(self, *, groups=32, group_size=None, **kwargs):
        super().__init__(**kwargs)
        self.groups = checks.check_positive_int("groups", groups)
        self.group_size = (
            None if group_size is None else checks.check_positive_int("group_size", group_size)
        )

    def _set_channels(self, input_shape) -> None:
        super()._set_channels(input_shape)
        self.effective_groups = effective_groups(self.channels, self.groups, self.group_size)

    def get_config(self):
        """The constructor's arguments; `groups` is as given, not `effective_groups`."""
        return {**super().get_config(), "groups": self.groups, "group_size": self.group_size}


def effective_groups(channels: int, groups: int, group_size: int | None = None) -> int:
    """Number of groups: channels / group_size, else the largest divisor up to `groups`.

    Raises:
      ValueError: when `group_size` does not divide the channels.
    """
    if group_size is None:
        return max(n for n in range(1, min(groups, channels) + 1) if channels % n == 0)
    if channels % group_size:
        raise ValueError(
            f"`group_size` must divide the input's {channels} channels. "
            f"Received: group_size={group_size}"
        )
    return channels // group_size
