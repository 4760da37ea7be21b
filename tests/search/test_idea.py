"""Ideas: layers that have the same one compute the same but for a factor and an offset."""

import collections
import time

import numpy as np
import pytest
from hypothesis import given, settings

from evonorm_tf import registry
from evonorm_tf.graph import ops
from evonorm_tf.graph.idea import idea
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from search import sample_graph
from search.evaluation import probe
from search.evaluation.engine.instructions import Sizes
from search.evaluation.engine.layer_program import LayerProgram
from tests.evonorm_tf import graph_strategies

_REGISTERED = {name: registry.graph(name) for name in registry.names() if registry.graph(name)}


def _followed_by(graph, *nodes):
    """The graph with more nodes; the input -1 is the graph's output."""
    last = graph.output
    added = [Node(op, tuple(last if i == -1 else i for i in inputs)) for op, *inputs in nodes]
    return LayerGraph((*graph.nodes, *added))


_ABSORBED = {
    "sign": [("NEG", -1)],
    "factor": [("MUL", ops.V1, -1)],
    "divisor": [("DIV", -1, ops.V0)],
    "offset": [("ADD", -1, ops.V0)],
    "doubled": [("NEG", -1), ("NEG", -1)],
}


@pytest.mark.parametrize("nodes", _ABSORBED.values(), ids=_ABSORBED)
@settings(max_examples=100)
@given(graph=graph_strategies.graphs(max_nodes=8))
def test_gamma_and_beta_absorb_signs_factors_and_offsets(nodes, graph):
    assert idea(_followed_by(graph, *nodes)) == idea(graph)


@settings(max_examples=100)
@given(graph=graph_strategies.graphs(max_nodes=8))
def test_an_idea_does_not_depend_on_the_spelling(graph):
    assert idea(graph) == idea(graph.canonical())


def test_other_layers_are_other_ideas():
    ideas = collections.defaultdict(set)
    for name, graph in _REGISTERED.items():
        ideas[idea(graph)].add(name)
    assert [names for names in ideas.values() if len(names) > 1] == []


def _graph(*nodes):
    return LayerGraph(tuple(Node(*node) for node in nodes))


def test_a_factor_that_a_statistic_is_taken_over_stays():
    scaled = ("MUL", (ops.INPUT, ops.V1))
    plain = [idea(_graph(("STD", (ops.INPUT,), axes))) for axes in ("WH", "WHC")]
    factored = [idea(_graph(scaled, ("STD", (4,), axes))) for axes in ("WH", "WHC")]
    assert plain[0] == factored[0] and plain[1] != factored[1]


def test_a_batch_statistic_is_no_offset_that_beta_can_learn():
    mean = ("MEAN", (ops.INPUT,), "BWH")
    centered = _graph(mean, ("NEG", (4,)), ("ADD", (ops.INPUT, 5)))
    assert idea(centered) != idea(_graph(("ADD", (ops.INPUT, ops.ZERO))))


def _output(graph):
    bench = probe._benches()[0]
    given_values = {"x": bench.train, **bench.vectors}
    with np.errstate(all="ignore"):
        output = LayerProgram(graph).train(given_values, Sizes(bench.train.shape, 32)).output
    return np.broadcast_to(output, bench.train.shape).reshape(len(output), -1)


def test_layers_with_one_idea_differ_by_a_factor_and_an_offset_per_channel(monkeypatch):
    monkeypatch.setattr(ops, "EPSILON", 1e-300)
    rng = np.random.default_rng(4)
    groups = collections.defaultdict(dict)
    for _ in range(6000):
        graph = sample_graph(rng, int(rng.integers(1, 6)))
        if ops.INPUT in graph.live():
            groups[idea(graph)][graph.fingerprint()] = graph
    pairs = 0
    for graphs in groups.values():
        first, *others = [(graph, _output(graph)) for graph in graphs.values()]
        for graph, output in others:
            pairs += _assert_affine(*first, graph, output)
    assert pairs > 100


def _assert_affine(graph, output, other_graph, other):
    """Asserts that rows are affine functions of each other; returns whether they vary."""
    sizes = [np.abs(each).max() for each in (output, other)]
    # Otherwise quotients by 0, or powers of the epsilon.
    if not 1e-100 < min(sizes) <= max(sizes) < 1e100:
        return False
    centered = [each - each.mean(1, keepdims=True) for each in (output, other)]
    spreads = [np.linalg.norm(each, axis=1) for each in centered]
    if any(min(spread) < 1e-9 * size for spread, size in zip(spreads, sizes, strict=True)):
        return False
    cosines = np.abs((centered[0] * centered[1]).sum(1)) / (spreads[0] * spreads[1])
    message = f"{graph.formula()} and {other_graph.formula()}"
    np.testing.assert_allclose(cosines, 1.0, rtol=1e-9, err_msg=message)
    return True


def test_an_idea_is_found_fast():
    rng = np.random.default_rng(6)
    graphs = [sample_graph(rng) for _ in range(200)]
    times = []
    for graph in graphs:
        start = time.process_time()
        idea(graph)
        times.append(time.process_time() - start)
    assert np.median(times) < 0.001
