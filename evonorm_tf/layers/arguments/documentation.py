"""`public_layer`: completes a layer's docstring and registers the layer with Keras."""

import inspect
import textwrap

from evonorm_tf import backend

PACKAGE = "evonorm_tf"
V_ARGUMENT = 'v_initializer: of the trainable vector v; default "ones".'
THRESHOLD_ARGUMENT = 'v_initializer: of the threshold v; default "zeros".'


def public_layer(cls):
    """Registers a layer with Keras, and completes its docstring.

    The docstring gets the arguments that the class and its bases describe in ARGUMENTS. Loading a
    model needs no `custom_objects`, and the name in its file is the same on every backend.
    """
    described = [vars(base).get("ARGUMENTS", "") for base in cls.__mro__]
    arguments = textwrap.indent("\n".join(filter(None, described)), "  ")
    cls.__doc__ = f"{inspect.cleandoc(cls.__doc__)}\n\nArgs:\n{arguments}\n{_COMMON}"
    return backend.keras().utils.register_keras_serializable(package=PACKAGE)(cls)


_COMMON = """
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
