"""Errors for constructor arguments that other layers have, or that are misspelt."""

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
    "center": "beta is always there; beta_initializer and trainable are what can be set",
    "scale": "gamma is always there; gamma_initializer and trainable are what can be set",
    "sync": "write `synchronized`",
}


def check(cls: type, kwargs: dict[str, Any]) -> None:
    """Checks the arguments that no class of this package has taken.

    Raises:
      TypeError: for one that another name or argument stands for; what else is unknown is for
        Keras to refuse.
    """
    for name in kwargs.keys() - set(_KERAS):
        close = difflib.get_close_matches(name, _options(cls), 1, cutoff=0.75)
        advice = _INSTEAD.get(name) or (f"did you mean `{close[0]}`?" if close else "")
        if advice:
            raise TypeError(f"{cls.__name__} has no argument `{name}`: {advice}")


def _options(cls: type) -> list[str]:
    """The arguments of a class and its bases in this package."""
    found = list(_KERAS)
    for base in cls.__mro__:
        if base.__module__.startswith("evonorm_tf.") and "__init__" in vars(base):
            found += [
                name
                for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items()
                if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
            ]
    return found
