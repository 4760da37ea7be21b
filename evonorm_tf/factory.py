"""The norm-act factory, through which a model creates layers without knowing their class."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evonorm_tf import backend, registry
from evonorm_tf.graph.layer_graph import LayerGraph
from evonorm_tf.layers import GraphLayer
from evonorm_tf.layers import NormAct as NormActLayer

if TYPE_CHECKING:
    import tensorflow as tf

NormAct = str | LayerGraph | Callable[..., Any]


def norm_act_factory(norm_act: NormAct, **kwargs: Any) -> "Callable[..., tf.keras.layers.Layer]":
    """Returns a function that creates the layers which `norm_act` stands for.

    Args:
      norm_act: a registered name, a `LayerGraph`, a class such as `EvoNormS0`, or a callable
        `(nonlinearity: bool, name: str) -> Layer`.
      **kwargs: constructor arguments for every layer of a name, graph or class.

    Returns:
      `make(nonlinearity=True, name=None, **more)`, which returns a new layer; `more` are
      constructor arguments for this one, such as gamma_initializer="zeros" for the last
      norm of a residual branch. They and `kwargs` are not for callables, with one
      exception: of `more`, a `gamma_initializer` is set on the callable's layer where that
      has the attribute.

    Raises:
      ValueError: for an unknown name, another type, or `kwargs` with a callable.

    Example:
      >>> import evonorm_tf as en
      >>> make = en.norm_act_factory("evonorm_s0", groups=8)
      >>> make().nonlinearity, make(nonlinearity=False, name="last").name
      (True, 'last')
    """
    if isinstance(norm_act, str):
        registry.graph(norm_act)  # raises for an unknown name, before the first layer
        return _Maker(lambda **arguments: registry.get(norm_act, **arguments), kwargs)
    if isinstance(norm_act, LayerGraph):
        return _Maker(lambda **arguments: GraphLayer(norm_act, **arguments), kwargs)
    if is_norm_act_class(norm_act):
        return _Maker(norm_act, kwargs)
    if not callable(norm_act):
        raise ValueError(
            "`norm_act` must be a registered name, a LayerGraph, a class or a callable. "
            f"Received: norm_act={norm_act!r}"
        )
    if kwargs:
        raise ValueError(f"arguments are not for a callable `norm_act`. Received: {sorted(kwargs)}")
    return _CallableMaker(norm_act)


def is_norm_act_class(norm_act: Any) -> bool:
    """Whether this is the class of a norm-act layer."""
    return isinstance(norm_act, type) and issubclass(norm_act, NormActLayer)


class _Maker:
    def __init__(self, constructor, kwargs):
        self._constructor = constructor
        self._kwargs = kwargs

    def __call__(self, nonlinearity: bool = True, name: str | None = None, **more):
        arguments = {**self._kwargs, **more}
        return self._constructor(nonlinearity=nonlinearity, name=name, **arguments)


class _CallableMaker:
    def __init__(self, function):
        self._function = function

    def __call__(self, nonlinearity: bool = True, name: str | None = None, gamma_initializer=None):
        layer = self._function(nonlinearity, name)
        if gamma_initializer is not None and hasattr(layer, "gamma_initializer"):
            layer.gamma_initializer = backend.keras().initializers.get(gamma_initializer)
        return layer
