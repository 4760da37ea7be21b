"""Simplified graphs compute what the graphs do, in the engine that runs the search's candidates."""

import numpy as np
import pytest
from hypothesis import given, settings

from evonorm_tf import registry
from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.graph.simplification import short_formula, short_latex, simplified
from search import sample_graph
from search.evaluation import probe
from search.evaluation.engine.layer_program import LayerProgram
from tests.evonorm_tf import graph_strategies

_REGISTERED = [registry.graph(name) for name in registry.names() if registry.graph(name)]


def _random_graphs(count, seed):
    rng = np.random.default_rng(seed)
    return [sample_graph(rng, int(rng.integers(1, 16))) for _ in range(count)]


def _outputs(graph):
    """The outputs in training on two probe tensors with random vectors, then those in inference."""
    program = LayerProgram(graph)
    with np.errstate(all="ignore"):
        values = [probe._values(program, bench) for bench in probe._benches()]
    return [output for output, *_ in values], [inferred for *_, inferred in values]


def _assert_equal(graph, other, expected, found):
    for one, another in zip(expected, found, strict=True):
        size = np.abs(one).max()
        if np.isfinite(size):
            message = f"{graph.formula()} became {other.formula()}"
            assert np.abs(one - another).max() <= 1e-9 * size, message


def _changed(count, seed, **options):
    pairs = [(graph, simplified(graph, **options)) for graph in _random_graphs(count, seed)]
    found = [pair for pair in pairs if pair[0].fingerprint() != pair[1].fingerprint()]
    assert len(found) > count / 4
    return found


def test_a_simplified_graph_computes_the_same_values():
    for graph, simple in _changed(700, seed=1):
        for expected, found in zip(_outputs(graph), _outputs(simple), strict=True):
            _assert_equal(graph, simple, expected, found)


def test_what_differs_by_epsilon_is_the_same_without_it(monkeypatch):
    monkeypatch.setattr(ops, "EPSILON", 1e-300)
    for graph, simple in _changed(700, seed=2, without_epsilon=True):
        # In training: moving averages take their time to come to their values.
        expected, found = _outputs(graph)[0], _outputs(simple)[0]
        # Others are quotients by 0, or powers of the epsilon.
        if all(1e-100 < np.abs(each).max() < 1e100 for each in expected):
            _assert_equal(graph, simple, expected, found)


@pytest.mark.parametrize("without_epsilon", [False, True])
def test_registered_graphs_are_as_simple_as_can_be(without_epsilon):
    for graph in _REGISTERED:
        simple = simplified(graph, without_epsilon)
        assert simple.name == graph.name
        assert simple.fingerprint() == graph.fingerprint()


@pytest.mark.parametrize("without_epsilon", [False, True])
@settings(max_examples=300)
@given(graph=graph_strategies.graphs(max_nodes=14))
def test_simplification_is_idempotent_and_adds_no_operation(without_epsilon, graph):
    simple = simplified(graph, without_epsilon)
    assert simplified(simple, without_epsilon) == simple
    assert len(simple.nodes) <= len(graph.canonical().nodes)
    assert len(simple.live()) - len(simple.nodes) <= ops.NUM_INITIAL_NODES


@settings(max_examples=100)
@given(graph=graph_strategies.graphs(max_nodes=6))
def test_a_graph_simplifies_alike_however_it_is_written(graph):
    assert simplified(graph).nodes == simplified(graph.canonical()).nodes


def _graph(nodes):
    made = []
    for op, *inputs in nodes:
        name, *index_set = op.split()
        made.append(Node(name, tuple(inputs), *index_set))
    return LayerGraph(tuple(made))


_X, _V0 = ops.INPUT, ops.V0
_EXACT = {
    "x": [(("NEG", _X), ("NEG", 4)), (("MAX", _X, _X),), (("ADD", _X, ops.ZERO),)],
    "0": [(("MUL", _X, ops.ZERO),), (("NEG", _X), ("ADD", _X, 4)), (("DIV", 1, _X),)],
    "1": [(("STD WH", _X), ("DIV", 4, 4))],
    "max(x, 0)": [
        (("MAX", _X, ops.ZERO), ("MAX", _X, 4)),
        (("MAX", ops.ZERO, _X), ("MAX", 4, ops.ZERO)),
    ],
    "abs(x)": [(("ABS", _X), ("ABS", 4)), (("NEG", _X), ("MAX", _X, 4))],
    "x^2": [
        (("NEG", _X), ("MUL", 4, 4)),
        (("ABS", _X), ("SQUARE", 4)),
        (("SQUARE", _X), ("ABS", 4)),
        (("SQUARE", _X), ("MAX", 4, ops.ZERO)),
    ],
    "(v0 - x)": [(("NEG", _X), ("ADD", 4, _V0)), (("NEG", _V0), ("ADD", 4, _X), ("NEG", 5))],
    "x * tanh(x)": [(("NEG", _X), ("TANH", 4), ("MUL", 4, 5))],
    "mu_{w,h,c}(x)": [(("MEAN WH", _X), ("MEAN WHCQ", 4), ("MEAN WHC", 5))],
    "mu_{w,h}(x)": [(("MEAN WH", _X), ("MEAN WH", 4))],
    "sqrt(s^2_{w,h}(x))": [
        (("NEG", _X), ("STD WH", 4)),
        (("ADD", _X, _V0), ("STD WH", 4)),
        (("STD WH", _X), ("ABS", 4)),
        (("STD WH", _X), ("MEAN WH", 4)),
        (("STD WH", _X), ("MAX", 4, ops.ZERO)),
        (("MEAN WH", _X), ("NEG", 4), ("ADD", _X, 5), ("RMS WH", 6)),
        (("STD WH", _X), ("SQRT", 4), ("SQUARE", 5)),
    ],
    "x / sqrt(s^2_{w,h}(x))": [
        (("STD WH", _X), ("EXP", ops.ZERO), ("DIV", 5, 4), ("MUL", 6, _X)),
        (("STD WH", _X), ("NEG", 4), ("NEG", _X), ("DIV", 6, 5)),
    ],
    # Bounds near 0 make these another function.
    "(sign(x)*sqrt(abs(x)))^2": [(("SQRT", _X), ("SQUARE", 4))],
    "x / x": [(("DIV", _X, _X),)],
    "mu_{b,w,h}(v0)": [(("MEAN BWH", _V0),)],
    "sqrt(mu_{w,h}(sqrt(s^2_{w,h}(x))^2))": [(("STD WH", _X), ("RMS WH", 4))],
}

# Without epsilons, and as the report writes them.
_SHORT = {
    "abs(x)": [(("SQRT", _X), ("SQUARE", 4)), (("SQUARE", _X), ("SQRT", 4))],
    "x / s^2_{w,h}(x)": [(("STD WH", _X), ("SQUARE", 4), ("DIV", _X, 5))],
    "sqrt(s^2_{w,h}(x))": [(("STD WH", _X), ("RMS WH", 4))],
    "sqrt(mu_{w,h,c}(x^2))": [
        (("RMS WH", _X), ("RMS WHC", 4)),
        (("SQUARE", _X), ("MEAN WHC", 4), ("SQRT", 5)),
    ],
    "sqrt(mu_{w,h}(abs(x)))": [
        (("SQRT", _X), ("RMS WH", 4)),
        (("ABS", _X), ("MEAN WH", 4), ("SQRT", 5)),
    ],
    "sqrt(exp(x))": [(("EXP", _X), ("SQRT", 4))],
    "ln(sigmoid(x))": [(("SIGMOID", _X), ("LOG", 4))],
    "sign(x)*ln(abs(x))": [(("LOG", _X),)],
    "mu_{w,h}(abs(x))": [(("SQRT", _X), ("SQUARE", 4), ("MEAN WH", 5))],
    "(v0 + x) * mu_{b,w,h}(x)": [(("ADD", _X, _V0), ("MEAN BWH", _X), ("MUL", 4, 5))],
    "v0": [(("MEAN BWH", _V0),)],
    # 0 for a negative x.
    "max(x, 0) / max(x, 0)": [(("MAX", _X, ops.ZERO), ("DIV", 4, 4))],
}


def _cases(table):
    return [(formula, nodes) for formula, graphs in table.items() for nodes in graphs]


@pytest.mark.parametrize(("formula", "nodes"), _cases(_EXACT))
def test_the_rules(formula, nodes):
    assert simplified(_graph(nodes)).formula() == f"{formula} * gamma + beta"


@pytest.mark.parametrize(("formula", "nodes"), _cases(_SHORT))
def test_the_rules_of_short_formulas(formula, nodes):
    assert short_formula(_graph(nodes)) == f"{formula} * gamma + beta"


def test_a_short_formula_names_a_term_only_if_it_is_written_twice():
    nodes = (("SIGMOID", _X), ("STD WH", 4), ("SQRT", 5))
    assert short_formula(_graph(nodes)) == "sqrt(sqrt(s^2_{w,h}(sigmoid(x)))) * gamma + beta"
    assert short_latex(_graph(nodes)).startswith(r"\sqrt{\sqrt{s^2_{w,h}")


def test_short_formulas_of_registered_graphs_are_their_formulas():
    signed = "sign(z)*sqrt(abs(z)) * gamma + beta, z = sqrt(s^2_{w,h}(sigmoid(abs(x))))"
    for graph in _REGISTERED:
        short = {signed: "sqrt(sqrt(s^2_{w,h}(sigmoid(abs(x))))) * gamma + beta"}
        formula = graph.canonical().formula()
        assert short_formula(graph) == short.get(formula, formula)


def test_a_graph_that_would_grow_stays():
    # Without the sign of n4 the product has it, and the maximum needs n4 too.
    nodes = (("NEG", _X), ("MUL", 4, 2), ("MAX", 5, 3), ("EXP", 4), ("ADD", 6, 7))
    graph = _graph(nodes)
    assert simplified(graph) == graph.canonical()
