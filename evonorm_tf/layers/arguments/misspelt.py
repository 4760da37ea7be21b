"""Errors for misspelt constructor arguments, and for those of other libraries' layers."""

import difflib
import inspect
from typing import Any

_KERAS = ("name", "dtype", "trainable", "autocast", "activity_regularizer", "dynamic")
_INSTEAD = {
    "activation": "the layer is normalization and activation in one; nonlinearity=False leaves "
    "the activation out",
    "data_format": "name the channel axis: axis=1 for channels_first, axis=-1 for channels_last",
    "num_groups": "write `groups`",
    "eps": "write `epsilon`",
    "center": "beta always exists; set beta_initializer or trainable",
    "scale": "gamma always exists; set gamma_initializer or trainable",
    "sync": "write `synchronized`",
}


def check(cls: type, kwargs: dict[str, Any]) -> None:
    """Checks the arguments that no class of this package takes.

    Raises:
      TypeError: for a name that has a substitute or resembles a known one. Keras refuses all
        other unknown names.
    """
    for name in kwargs.keys() - set(_KERAS):
        close = difflib.get_close_matches(name, _options(cls), 1, cutoff=0.75)
        advice = _INSTEAD.get(name) or (f"did you mean `{close[0]}`?" if close else "")
        if advice:
            raise TypeError(f"{cls.__name__} has no argument `{name}`: {advice}")


def _options(cls: type) -> list[str]:
    """The arguments of a class and its bases in this package."""
    names = list(_KERAS)
    for base in cls.__mro__:
        if base.__module__.startswith("evonorm_tf.") and "__init__" in vars(base):
            names += [
                name
                for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items()
                if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
            ]
    return names
