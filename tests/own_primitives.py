"""Registered primitives for tests: twins of the paper's, and one of each kind that it lacks."""

import contextlib

import tensorflow as tf

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node

# Each computes the same as the primitive of the paper, in training.
TWINS = {
    "TANH": tf.tanh,
    "SIGMOID": tf.sigmoid,
    "EXP": tf.exp,
    "SQUARE": tf.square,
    "ADD": lambda x, y: x + y,
    "MUL": lambda x, y: x * y,
    "MEAN": lambda x, axes: tf.reduce_mean(x, axes, keepdims=True),
    "RMS": lambda x, axes: tf.sqrt(tf.reduce_mean(x * x, axes, keepdims=True) + 1e-5),
}


@contextlib.contextmanager
def registered():
    """Registers all of them; afterwards the registrations are what they were."""
    before = dict(ops._registered)
    for name, function in TWINS.items():
        kinds = {"arity": ops.ARITY[name], "aggregation": name in ops.AGGREGATIONS}
        ops.register(f"MY_{name}", function=function, **kinds)
    ops.register(
        "LARGEST",
        function=lambda x, axes: tf.reduce_max(tf.abs(x), axes, keepdims=True),
        aggregation=True,
        formula="max_{{{axes}}} abs({})",
        latex=r"\max_{{{axes}}}\left|{}\right|",
    )
    ops.register(
        "TOTAL", function=lambda x, axes: tf.reduce_sum(x, axes, keepdims=True), aggregation=True
    )
    try:
        yield
    finally:
        ops._registered.clear()
        ops._registered.update(before)


def with_twins(graph):
    """The same graph with twins in place of the paper's primitives."""
    nodes = (
        Node(f"MY_{node.op}", node.inputs, node.index_set) if node.op in TWINS else node
        for node in graph.nodes
    )
    return LayerGraph(tuple(nodes), graph.name)
