"""Layers that all backends run on the same inputs, with the same weights."""

import itertools
from typing import NamedTuple

import numpy as np

import evonorm_tf as en
from evonorm_tf.graph import ops
from tests.evonorm_tf import oracle
from tests.evonorm_tf.layer_values import data, feature_map

BACKENDS = ("tensorflow", "jax", "torch")
SHAPE = (3, 2, 3, 8)
GROUPS = 2
# Several averages of one kind; aggregations of another node, of vectors, and of groups of those.
_GRAPHS = {
    "two_batch_stds": (
        en.Node("STD", (0,), "BWH"),
        en.Node("SIGMOID", (0,)),
        en.Node("STD", (5,), "BWH"),
        en.Node("ADD", (4, 6)),
        en.Node("DIV", (0, 7)),
    ),
    "groups_of_examples": (
        en.Node("MUL", (0, 3)),
        en.Node("MEAN", (4,), "WHC"),
        en.Node("STD", (5,), "WHCQ"),
        en.Node("RMS", (6,), "BWH"),
        en.Node("LOG", (0,)),
        en.Node("DIV", (8, 7)),
        en.Node("ADD", (9, 5)),
    ),
    "vectors": (en.Node("EXP", (3,)), en.Node("MEAN", (4,), "BWH"), en.Node("MAX", (5, 2))),
}


class Case(NamedTuple):
    """One layer; `name` is a registered name, a graph of `_GRAPHS`, or a primitive."""

    kind: str
    name: str
    nonlinearity: bool = True
    dtype: str = "float32"
    index_set: str | None = None
    masked: bool = False
    offset: float = 0.3
    axis: int = -1

    def label(self):
        return "-".join(map(str, self))

    def layer(self):
        if self.kind == "primitive":
            return en.PrimitiveLayer(self.name, self.index_set, GROUPS, dtype=self.dtype)
        options = dict(nonlinearity=self.nonlinearity, axis=self.axis, dtype=self.dtype)
        if self.kind == "graph":
            graph = en.LayerGraph(_GRAPHS[self.name], name=self.name)
            return en.GraphLayer(graph, groups=GROUPS, **options)
        takes_groups = "groups" in en.get(self.name).get_config()
        return en.get(self.name, **options, **({"groups": GROUPS} if takes_groups else {}))

    def shape(self):
        return SHAPE if self.axis == -1 else (SHAPE[0], SHAPE[-1], *SHAPE[1:-1])

    def inputs(self):
        """The inputs: one for most layers."""
        count = ops.arity(self.name) if self.kind == "primitive" else 1
        return [self._moved(feature_map(self.name, SHAPE, seed=1 + i)) for i in range(count)]

    def mask(self):
        """The mask, with positions of all kinds: none of an example's is True, some, all."""
        if not self.masked:
            return None
        return (
            np.arange(SHAPE[1] * SHAPE[2]).reshape(SHAPE[1:3]) < np.array([0, 4, 6])[:, None, None]
        )

    def upstream(self):
        """The gradient for the output."""
        return self._moved(data(SHAPE, seed=9))

    def _moved(self, x):
        x = x.astype(self.dtype) + np.asarray(self.offset - 0.3, self.dtype)
        return x if self.axis == -1 else np.moveaxis(x, -1, self.axis)


NAMED = [Case("named", name) for name in sorted(oracle.LAYERS)]
LINEAR = [case._replace(nonlinearity=False) for case in NAMED]
FLOAT64 = [case._replace(dtype="float64") for case in NAMED]
CHANNELS_FIRST = [
    case._replace(axis=1) for case in NAMED if case.name in ("evonorm_b0", "evonorm_s0", "bn_silu")
]
DTYPES = ("float32", "float64")
GRAPHS = [Case("graph", name, dtype=dtype) for name in _GRAPHS for dtype in DTYPES]
PRIMITIVES = [
    Case("primitive", op, index_set=index_set, dtype=dtype)
    for op, index_set in ops.PRIMITIVES
    for dtype in DTYPES
]
MASKED = [
    case._replace(masked=True)
    for case in NAMED
    if case.name in ("bn_relu", "evonorm_b0", "evonorm_s0", "gn_silu", "frn", "rs_rej")
]
LARGE_MEANS = [
    case._replace(offset=1000.0)
    for case in NAMED
    if case.name in ("bn_relu", "evonorm_b0", "evonorm_b2", "evonorm_s0", "gn_relu", "ln_relu")
]
ALL = [*NAMED, *LINEAR, *FLOAT64, *CHANNELS_FIRST, *GRAPHS, *PRIMITIVES, *MASKED, *LARGE_MEANS]
# Of each kind of layer and weight one, and all with classes of their own.
IN_FILES = [*NAMED, *FLOAT64[::4], *LINEAR[::4], *CHANNELS_FIRST[:1], *GRAPHS, *PRIMITIVES[-3:]]
# Layers for `keras.RematScope`, and its modes.
WITHOUT_AVERAGES = ("evonorm_s0", "gn_silu", "frn")
REMAT_MODES = ("full", None)
PAIRS = [pair for pair in itertools.permutations(BACKENDS, 2)]
