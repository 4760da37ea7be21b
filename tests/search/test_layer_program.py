"""Layer programs, against `GraphLayer` in float64: both modes, and gradients of two orders."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
import search
from evonorm_tf import compat, registry
from search.evaluation.engine.instructions import BATCH, PLACES, Compiled, Program, Sizes
from search.evaluation.engine.layer_program import VECTORS, LayerProgram

SHAPE, GROUPS = (4, 3, 2, 8), 4
MERGED = (SHAPE[3], SHAPE[0], SHAPE[1] * SHAPE[2])
SIZES = Sizes(MERGED, GROUPS)
MOVING = en.LayerGraph(
    (
        en.Node("MEAN", (0,), "BWH"),
        en.Node("RMS", (0,), "BWH"),
        en.Node("STD", (0,), "BWH"),
        en.Node("ADD", (4, 5)),
        en.Node("MUL", (7, 6)),
        en.Node("ADD", (8, 2)),
        en.Node("MUL", (9, 0)),
    )
)


def graphs():
    """Registered graphs, one with all kinds of moving averages, and random ones."""
    rng = np.random.default_rng(4)
    sampled = [search.sample_graph(rng) for _ in range(150)]
    named = filter(None, map(registry.graph, registry.names()))
    return [*named, MOVING, *(graph for graph in sampled if 0 in graph.live())]


def merged(array):
    """A feature map, or a vector, as (channels, batch, places)."""
    array = np.asarray(array, dtype=np.float64)
    batch = SHAPE[0] if array.ndim > 1 else 1
    return array.reshape(batch, -1, SHAPE[-1]).transpose(2, 0, 1)


class Case:
    """A graph in both engines, with one input and one set of weights."""

    def __init__(self, graph, seed):
        rng = np.random.default_rng(seed)
        self.program = LayerProgram(graph)
        self.layer = en.GraphLayer(graph, groups=GROUPS, dtype="float64")
        self.layer._plan = None  # node by node, as the program computes it
        self.layer.build(SHAPE)
        self.vectors = {}
        for name in VECTORS:
            value = rng.normal(0.0 if name in ("beta", "v0") else 1.0, 0.3, SHAPE[-1])
            self.vectors[name] = value.astype(np.float32).astype(np.float64)
            if getattr(self.layer, name) is not None:
                getattr(self.layer, name).assign(self.vectors[name])
        draw = [rng.normal(size=SHAPE) for _ in range(3)]
        self.x, self.upstream, self.to_x = draw[0] * 1.5 + 0.3, draw[1], draw[2]

    def arrays(self, **more):
        given = {"x": self.x, **self.vectors, **more}
        return {name: merged(value) for name, value in given.items()}

    def by_tensorflow(self):
        """Output, gradients, the gradients of a sum of the gradient for x, and inference."""
        x, upstream = tf.constant(self.x), tf.constant(self.upstream)
        names = [name for name in VECTORS if getattr(self.layer, name) is not None]
        sources = [x, *(compat.variable(getattr(self.layer, name)) for name in names)]
        with tf.GradientTape() as outer:
            outer.watch([x, upstream])
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = self.layer(x, training=True)
            first = inner.gradient(y, sources, upstream, unconnected_gradients="zero")
        to = [tf.constant(self.to_x), *(tf.ones_like(gradient) for gradient in first[1:])]
        second = outer.gradient(first, [*sources, upstream], to, unconnected_gradients="zero")
        return y, dict(zip(["x", *names], first, strict=True)), second[0], second[-1]


def assert_close(actual, expected, tolerance):
    expected = merged(expected)
    scale = max(np.abs(expected).max(), 1e-30)
    assert np.abs(actual - expected).max() <= tolerance * scale


@pytest.mark.parametrize("index", range(len(graphs())))
def test_equals_graph_layer_in_values_and_gradients_of_two_orders(index):
    graph = graphs()[index]
    case = Case(graph, index)
    y, first, second_x, second_upstream = case.by_tensorflow()
    trained = case.program.train(case.arrays(), SIZES)
    assert_close(trained.output, y, 1e-9)
    names = ("x", *VECTORS)
    gradients = case.program.differentiate(case.arrays(upstream=case.upstream), trained, SIZES)
    for name, gradient in zip(names, gradients, strict=True):
        if name not in first:
            assert not gradient.any()
            continue
        # Weights, and so their gradients, are float32 in TensorFlow's layer.
        assert_close(gradient, first[name], 1e-9 if name == "x" else 1e-6)
    to = {f"to_{name}": np.ones(SHAPE[-1]) * (name in first) for name in VECTORS}
    arrays = case.arrays(upstream=case.upstream, to_x=case.to_x, **to)
    to_x, *_, to_upstream = case.program.second(arrays, SIZES)
    # Terms of second order cancel in part.
    assert_close(to_x, second_x, 1e-6)
    assert_close(to_upstream, second_upstream, 1e-6)
    starts = zip(case.program.moving_starts, trained.moments, strict=True)
    averages = [0.9 * start + 0.1 * moment for start, moment in starts]
    inference = case.program.infer(case.arrays(), averages, SIZES)
    # Moving averages are float32 in TensorFlow's layer.
    assert_close(inference, case.layer(tf.constant(case.x), training=False), 1e-5)


def test_a_sum_counts_a_value_once_for_each_element_that_it_stands_for():
    program = Program()
    total = program.add("SUM", program.input("vector"), parameter=(BATCH, PLACES))
    (value,) = Compiled(program, [total])({"vector": np.full((8, 1, 1), 2.0)}, SIZES)
    np.testing.assert_array_equal(value, np.full((8, 1, 1), 2.0 * 4 * 6))


def test_equal_instructions_are_computed_once():
    program = Program()
    x = program.input("x")
    assert program.add("EXP", x) == program.add("EXP", x)
    assert len(program.instructions) == 2
