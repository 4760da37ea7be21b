"""The registry: a name stands for a layer graph, a Keras layer, or both, which agree."""

import difflib
import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from evonorm_tf.layer_graph import LayerGraph
from evonorm_tf.layers.batch_norm import BatchNormReLU, BatchNormSiLU
from evonorm_tf.layers.evonorm_b import EvoNormB0, EvoNormB1, EvoNormB2
from evonorm_tf.layers.evonorm_s import EvoNormS0, EvoNormS1, EvoNormS2
from evonorm_tf.layers.graph_layer import GraphLayer
from evonorm_tf.layers.sample_norm import (
    FilterResponseNorm,
    GroupNormReLU,
    GroupNormSiLU,
    LayerNormReLU,
    PixelNormReLU,
)

_GRAPHS = pathlib.Path(__file__).parent / "graphs"


class Registry:
    """Names of normalization-activation layers and what they stand for."""

    def __init__(self):
        self._layers: dict[str, Callable[..., tf.keras.layers.Layer] | None] = {}
        self._graphs: dict[str, LayerGraph | None] = {}

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._layers)

    def register(
        self,
        name: str,
        layer: Callable[..., tf.keras.layers.Layer] | None = None,
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
        self._layers[name] = layer
        self._graphs[name] = graph

    def get(self, name: str, /, **kwargs: Any) -> tf.keras.layers.Layer:
        """A new layer by name.

        Args:
          name: a registered name, such as "evonorm_s0".
          **kwargs: the layer's constructor arguments.

        Raises:
          ValueError: for an unknown name; lists the known names and the nearest one.
        """
        self._check(name)
        layer, graph = self._layers[name], self._graphs[name]
        return GraphLayer(graph, **kwargs) if layer is None else layer(**kwargs)

    def layer_class(self, name: str) -> Callable[..., tf.keras.layers.Layer] | None:
        """What `register` got as `layer`. Raises ValueError for an unknown name."""
        self._check(name)
        return self._layers[name]

    def graph(self, name: str) -> LayerGraph | None:
        """The name's graph, None if it has none. Raises ValueError for an unknown name."""
        self._check(name)
        return self._graphs[name]

    def _check(self, name: str) -> None:
        if name in self._layers:
            return
        near = difflib.get_close_matches(str(name).lower(), self._layers, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"`name` must be one of {', '.join(self.names())}. Received: name={name!r}.{hint}"
        )


def _builtin() -> Registry:
    registry = Registry()
    fused_with_graph = {
        "evonorm_b0": EvoNormB0,
        "evonorm_b1": EvoNormB1,
        "evonorm_b2": EvoNormB2,
        "evonorm_s0": EvoNormS0,
        "evonorm_s1": EvoNormS1,
        "evonorm_s2": EvoNormS2,
    }
    # Their gamma and beta come before the activation, where the search space has none.
    fused_alone = {
        "bn_relu": BatchNormReLU,
        "bn_silu": BatchNormSiLU,
        "gn_relu": GroupNormReLU,
        "gn_silu": GroupNormSiLU,
        "frn": FilterResponseNorm,
        "ln_relu": LayerNormReLU,
        "pixelnorm_relu": PixelNormReLU,
    }
    for name, layer in fused_alone.items():
        registry.register(name, layer)
    for path in sorted(_GRAPHS.glob("*.json")):
        registry.register(path.stem, fused_with_graph.get(path.stem), LayerGraph.load(path))
    return registry


BUILTIN = _builtin()
get = BUILTIN.get
names = BUILTIN.names
register = BUILTIN.register
graph = BUILTIN.graph
layer_class = BUILTIN.layer_class
