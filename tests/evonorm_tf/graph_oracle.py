"""Layer graphs evaluated node by node in float64 NumPy, written from the paper's table 2."""

import numpy as np

import evonorm_tf as en
from evonorm_tf.graph import ops

_ELEMENTWISE = {
    "ADD": np.add,
    "MUL": np.multiply,
    "MAX": np.maximum,
    "NEG": np.negative,
    "SIGMOID": lambda x: 1 / (1 + np.exp(-x)),
    "TANH": np.tanh,
    "EXP": np.exp,
    "ABS": np.abs,
    "SQUARE": np.square,
}


def mean_over(index_set, x, groups):
    """mu_I(x), repeated to the shape of x: (batch, ..., channels)."""
    places = x.reshape(x.shape[0], -1, x.shape[-1])
    if index_set == "WHCQ":
        grouped = places.reshape(*places.shape[:2], groups, -1)
        means = np.repeat(grouped.mean(axis=(1, 3)), grouped.shape[-1], axis=-1)[:, None, :]
    else:
        axes = {"BWH": (0, 1), "WHC": (1, 2), "WH": (1,)}[index_set]
        means = places.mean(axis=axes, keepdims=True)
    return np.broadcast_to(means, places.shape).reshape(x.shape)


def raw_moment(op, index_set, x, groups):
    """The mean, second moment or biased variance over an index set."""
    if op == "MEAN":
        return mean_over(index_set, x, groups)
    center = mean_over(index_set, x, groups) if op == "STD" else 0.0
    return mean_over(index_set, np.square(x - center), groups)


class GraphOracle:
    """What a graph computes for one input.

    Args:
      epsilon: added inside the roots of RMS and STD.
      floor: what primitives.py says of DIV, LOG and SQRT at tiny arguments; 0 is plain
        mathematics.
      groups: number of channel groups.
      moving: raw moments per channel by node index, in place of (b, w, h) batch moments.
      noise: relative size of a random error put on every node's result, to see how much
        rounding can matter.
      seed: of the noise.
    """

    def __init__(self, epsilon=0.0, floor=0.0, groups=1, moving=None, noise=0.0, seed=0):
        self.epsilon, self.floor, self.groups = epsilon, floor, groups
        self.moving = moving or {}
        self.noise, self.rng = noise, np.random.default_rng(seed)
        self.batch_moments = {}

    def values(self, graph: en.LayerGraph, x, v0, v1):
        """The values of all nodes, initial ones included, each of x's shape."""
        x = np.asarray(x, np.float64)
        initial = (x, np.zeros_like(x), np.asarray(v0, np.float64), np.asarray(v1, np.float64))
        values = [np.broadcast_to(value, x.shape) for value in initial]
        with np.errstate(all="ignore"):
            for index, node in enumerate(graph.nodes, start=4):
                value = self._apply(index, node, [values[i] for i in node.inputs])
                values.append(value * (1 + self.noise * self.rng.uniform(-1, 1, x.shape)))
        return values

    def _apply(self, index, node, inputs):
        if node.op in ops.AGGREGATIONS:
            return self._aggregated(index, node, *inputs)
        if node.op == "DIV":
            top, bottom = inputs
            tiny = np.where(bottom < 0, -self.floor, self.floor)
            return top / np.where(np.abs(bottom) < self.floor, tiny, bottom)
        if node.op == "LOG":
            return np.sign(inputs[0]) * np.log(np.maximum(np.abs(inputs[0]), self.floor))
        if node.op == "SQRT":
            size = np.abs(inputs[0])
            near_zero = size * self.floor**-0.5 if self.floor else size
            return np.sign(inputs[0]) * np.where(size < self.floor, near_zero, np.sqrt(size))
        return _ELEMENTWISE[node.op](*inputs)

    def _aggregated(self, index, node, x):
        if index in self.moving:
            moment = np.broadcast_to(self.moving[index], x.shape)
        else:
            moment = raw_moment(node.op, node.index_set, x, self.groups)
            if node.index_set == "BWH":
                self.batch_moments[index] = moment.reshape(-1, x.shape[-1])[0]
        return moment if node.op == "MEAN" else np.sqrt(moment + self.epsilon)
