"""The layers that a conversion creates: norm-act layers, or Keras's own."""

from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf.convert import sources
from evonorm_tf.factory import NormAct, is_norm_act_class, norm_act_factory
from evonorm_tf.layers.batch_norm import BatchNormReLU, BatchNormSiLU
from evonorm_tf.layers.sample_norm import GroupNormReLU, GroupNormSiLU

KERAS = "keras"


class NormActTarget:
    """Creates norm-act layers of one name, graph, class or callable."""

    def __init__(self, to: NormAct, kwargs: dict[str, Any]):
        self._make = norm_act_factory(to, **kwargs)
        self._takes_settings = is_norm_act_class(to) or not callable(to)
        self._given = kwargs
        flags = (True, False) if self._takes_settings else ()
        self._probes = {flag: self._make(nonlinearity=flag) for flag in flags}

    def obstacle(self, source: Any, rank: int | None) -> str | None:
        """Why no layer can replace a source; None if one can."""
        return sources.obstacle(source, rank)

    @property
    def has_affine_linear_form(self) -> bool:
        """Whether the linear form is x * gamma + beta; False if it is unknown (a callable)."""
        return self._takes_settings and sources.form(self._probes[False]) == "plain"

    @property
    def subtracts_batch_mean(self) -> bool:
        """Whether the layer normalizes as batch normalization does."""
        return self._takes_settings and sources.is_batch_norm(self._probes[True])

    @property
    def bends_at_zero(self) -> bool:
        """Whether gamma and beta come after the nonlinearity, so that it bends where x is 0."""
        return self._takes_settings and sources.form(self._probes[True]) == "activated"

    def layers(self, source: Any, nonlinearity: bool) -> list[Any]:
        """The layers that together replace a source; the first has the source's name."""
        if not self._takes_settings:
            return [self._make(nonlinearity=nonlinearity, name=source.name)]
        settings = sources.settings(source, self._probes[nonlinearity])
        settings = {name: value for name, value in settings.items() if name not in self._given}
        if "group_size" in self._given:
            settings.pop("groups", None)
        settings.setdefault("axis", sources.channel_axis(source))
        settings["dtype"] = source.get_config()["dtype"]
        layer = self._make(nonlinearity=nonlinearity, name=source.name, **settings)
        return [layer]


class KerasTarget:
    """Creates Keras's own normalization and activation in place of a baseline."""

    has_affine_linear_form = False
    subtracts_batch_mean = False
    bends_at_zero = False

    def obstacle(self, source: Any, rank: int | None) -> str | None:
        """Why no layer can replace a source; None if one can."""
        if sources.kind(source) != "norm_act":
            return "it is a Keras layer already"
        replaceable = (BatchNormReLU, BatchNormSiLU, GroupNormReLU, GroupNormSiLU)
        if not isinstance(source, replaceable):
            return "Keras has no such layer"
        slope = getattr(source, "v", None)
        if slope is not None and not np.all(np.asarray(slope) == 1.0):
            return "Keras's SiLU has no trained slope"
        return None

    def layers(self, source: Any, nonlinearity: bool) -> list[Any]:
        """The layers that together replace a source; the first has the source's name."""
        config = {
            "axis": source.axis,
            "epsilon": source.epsilon,
            "gamma_regularizer": source.gamma_regularizer,
            "beta_regularizer": source.beta_regularizer,
            "name": source.name,
            "dtype": source.get_config()["dtype"],
        }
        if sources.is_batch_norm(source):
            config |= {"momentum": source.momentum, "synchronized": source.synchronized}
            norm = tf.keras.layers.BatchNormalization(**config)
        else:
            norm = tf.keras.layers.GroupNormalization(groups=source.effective_groups, **config)
        if not nonlinearity:
            return [norm]
        name = "swish" if isinstance(source, (BatchNormSiLU, GroupNormSiLU)) else "relu"
        activation = tf.keras.layers.Activation(
            name, name=f"{source.name}_activation", dtype=config["dtype"]
        )
        return [norm, activation]


def target_of(to: NormAct, kwargs: dict[str, Any]) -> NormActTarget | KerasTarget:
    """The target of `convert_model` for its arguments.

    Raises:
      ValueError: for `kwargs` with "keras", whose layers take their arguments from the model.
    """
    if to != KERAS:
        return NormActTarget(to, kwargs)
    if kwargs:
        raise ValueError(f'`kwargs` must be empty with to="keras". Received: {sorted(kwargs)}')
    return KerasTarget()
