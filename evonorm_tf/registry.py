"""The registry: a name stands for a layer graph, a Keras layer, or both, which agree.

Names and graphs need no TensorFlow; creating a layer imports it.
"""

import difflib
import importlib
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from evonorm_tf.graph.layer_graph import LayerGraph

if TYPE_CHECKING:
    import tensorflow as tf

_GRAPHS = pathlib.Path(__file__).parent / "graphs"


class Registry:
    """Names of normalization-activation layers and what they stand for."""

    def __init__(self) -> None:
        # A string names a class of `evonorm_tf.layers`.
        self._layers: dict[str, Callable[..., tf.keras.layers.Layer] | str | None] = {}
        self._graphs: dict[str, LayerGraph | None] = {}

    def names(self) -> list[str]:
        """All registered names, sorted.

        Example:
          >>> en.names()[:3]
          ['b0_max_to_add', 'b0_no_global', 'b0_no_local']
        """
        return sorted(self._layers)

    def register(
        self,
        name: str,
        layer: "Callable[..., tf.keras.layers.Layer] | None" = None,
        graph: LayerGraph | None = None,
    ) -> None:
        """Registers a layer class (or function that returns a layer), a graph, or both.

        Args:
          name: the new name.
          layer: takes the constructor arguments that `get` passes on.
          graph: the same layer in the search space. With a graph alone, `get` returns a
            `GraphLayer`.

        Raises:
          ValueError: for a name that is taken or empty, or without layer and graph.

        Example:
          >>> graph = en.LayerGraph((en.Node("SIGMOID", (0,)), en.Node("MUL", (0, 4))))
          >>> en.register("swish", graph=graph)
          >>> type(en.get("swish")).__name__
          'GraphLayer'
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"`name` must be a non-empty string. Received: name={name!r}")
        if name in self._layers:
            raise ValueError(f"`name` must be new; {name!r} is registered already")
        if layer is not None and not callable(layer):
            raise ValueError(f"`layer` must be callable. Received: layer={layer!r}")
        if graph is not None and not isinstance(graph, LayerGraph):
            raise ValueError(f"`graph` must be a LayerGraph. Received: graph={graph!r}")
        if layer is None and graph is None:
            raise ValueError(f"{name!r} needs a `layer` or a `graph`. Received: neither")
        self._add(name, layer, graph)

    def get(self, name: str, /, **kwargs: Any) -> "tf.keras.layers.Layer":
        """A new layer by name.

        Args:
          name: a registered name, such as "evonorm_s0".
          **kwargs: the layer's constructor arguments.

        Raises:
          ValueError: for an unknown name; lists the known names and the nearest one.

        Example:
          >>> en.get("evonorm_s0", groups=8).groups
          8
        """
        layer = self.layer_class(name)
        if layer is None:
            return _layer_named("GraphLayer")(self._graphs[name], **kwargs)
        return layer(**kwargs)

    def layer_class(self, name: str) -> "Callable[..., tf.keras.layers.Layer] | None":
        """What `register` got as `layer`. Raises ValueError for an unknown name."""
        self._check(name)
        layer = self._layers[name]
        return _layer_named(layer) if isinstance(layer, str) else layer

    def graph(self, name: str) -> LayerGraph | None:
        """The name's graph, None if it has none. Raises ValueError for an unknown name."""
        self._check(name)
        return self._graphs[name]

    def _add(self, name: str, layer: Any, graph: LayerGraph | None) -> None:
        self._layers[name] = layer
        self._graphs[name] = graph

    def _check(self, name: str) -> None:
        if name in self._layers:
            return
        near = difflib.get_close_matches(str(name).lower(), self._layers, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"`name` must be one of {', '.join(self.names())}. Received: name={name!r}.{hint}"
        )


def _layer_named(name: str) -> Any:
    """A class of `evonorm_tf.layers`, whose import needs TensorFlow."""
    return getattr(importlib.import_module("evonorm_tf.layers"), name)


def _builtin() -> Registry:
    registry = Registry()
    fused_with_graph = {
        "evonorm_b0": "EvoNormB0",
        "evonorm_b1": "EvoNormB1",
        "evonorm_b2": "EvoNormB2",
        "evonorm_s0": "EvoNormS0",
        "evonorm_s1": "EvoNormS1",
        "evonorm_s2": "EvoNormS2",
    }
    # Gamma and beta come before the activation, which no graph of the search space can express.
    fused_alone = {
        "bn_relu": "BatchNormReLU",
        "bn_silu": "BatchNormSiLU",
        "gn_relu": "GroupNormReLU",
        "gn_silu": "GroupNormSiLU",
        "frn": "FilterResponseNorm",
        "ln_relu": "LayerNormReLU",
        "pixelnorm_relu": "PixelNormReLU",
    }
    for name, layer in fused_alone.items():
        registry._add(name, layer, None)
    for path in sorted(_GRAPHS.glob("*.json")):
        registry._add(path.stem, fused_with_graph.get(path.stem), LayerGraph.load(path))
    return registry


BUILTIN = _builtin()
get = BUILTIN.get
names = BUILTIN.names
register = BUILTIN.register
graph = BUILTIN.graph
layer_class = BUILTIN.layer_class
