"""A `GraphLayer` with random weights, and what float64 NumPy expects of it."""

import numpy as np
from hypothesis import assume

import evonorm_tf as en
from tests.evonorm_tf import graph_oracle

CHANNELS, GROUPS = 4, 2
SHAPES = {3: (3, 5, CHANNELS), 4: (3, 4, 2, CHANNELS), 5: (2, 3, 2, 2, CHANNELS)}
KINDS = {"MEAN": "moving_mean", "RMS": "moving_second_moment", "STD": "moving_variance"}


def data(rank, seed=0):
    return np.random.default_rng(seed).normal(size=SHAPES[rank]) * 1.5 + 0.25


def weights_by_name(layer):
    """A layer's weights, whichever way this Keras names them."""
    return {weight.name.split("/")[-1].split(":")[0]: weight for weight in layer.weights}


def built(graph, shape, dtype="float32", **kwargs):
    """A layer with random vectors and moments, and these as float64 arrays by name."""
    layer = en.GraphLayer(graph, groups=GROUPS, dtype=dtype, **kwargs)
    layer.build((None, *shape[1:]))
    rng, values = np.random.default_rng(7), {}
    for name, weight in sorted(weights_by_name(layer).items()):
        value = rng.uniform(0.5, 2.0, CHANNELS).astype(np.float32)
        weight.assign(value)
        values[name] = value.astype(np.float64)
    return layer, values


def batch_nodes(graph):
    """Index and moving average's name of each (b, w, h) aggregation of a canonical graph."""
    found = [(i, n) for i, n in enumerate(graph.nodes, start=4) if n.index_set == "BWH"]
    for index, node in found:
        alike = [i for i, other in found if other.op == node.op]
        suffix = f"_{alike.index(index) + 1}" if len(alike) > 1 else ""
        yield index, KINDS[node.op] + suffix


def evaluated(graph, x, values, training, noise=0.0, seed=0):
    """The oracle after a run, and the layer's output by it."""
    moving = None if training else {i: values[name] for i, name in batch_nodes(graph)}
    oracle = graph_oracle.GraphOracle(1e-5, 1e-5, GROUPS, moving, noise, seed)
    vectors = (values.get(name, 1.0) * np.ones(CHANNELS) for name in ("v0", "v1"))
    return oracle, oracle.values(graph, x, *vectors)


def expected_output(graph, x, values, training, precision):
    """The output, and how far rounding to `precision` at each node may move it.

    Discards the example where values are not finite and moderate, or rounding decides.
    """
    nodes = evaluated(graph, x, values, training)[1]
    assume(all(np.isfinite(value).all() and np.abs(value).max() < 1e6 for value in nodes))
    moved = max(
        np.abs(evaluated(graph, x, values, training, precision, seed)[1][-1] - nodes[-1]).max()
        for seed in range(3)
    )
    output = nodes[-1] * values["gamma"] + values["beta"]
    scale = np.abs(output).max()
    tolerance = 100 * moved * 2.0 + 100 * precision * scale
    assume(tolerance < 1e-2 * scale)
    return output, tolerance
