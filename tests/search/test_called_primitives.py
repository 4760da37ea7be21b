"""Registered primitives in the engine, which TensorFlow computes and differentiates."""

import numpy as np
import pytest

import evonorm_tf as en
import search
from search.evaluation.engine.layer_program import VECTORS, LayerProgram
from tests import own_primitives
from tests.search.test_layer_program import SHAPE, SIZES, Case, assert_close

INDEX_SETS = ("BWH", "WHC", "WH", "WHCQ")


@pytest.fixture(scope="module", autouse=True)
def _registered():
    with own_primitives.registered():
        yield


def results(graph, dtype=np.float64):
    """Output, first and second derivatives of a graph for fixed arrays."""
    rng = np.random.default_rng(7)
    draw = {name: rng.normal(size=SHAPE) for name in ("x", "upstream", "to_x")}
    for name in VECTORS:
        draw[name] = rng.normal(0.0 if name in ("beta", "v0") else 1.0, 0.3, SHAPE[-1])
        draw[f"to_{name}"] = rng.normal(size=SHAPE[-1])
    arrays = {
        name: value.reshape(-1, 1, 1) if value.ndim == 1 else value.reshape(8, 4, 6)
        for name, value in draw.items()
    }
    arrays = {name: value.astype(dtype) for name, value in arrays.items()}
    program = LayerProgram(graph)
    trained = program.train(arrays, SIZES)
    first = program.differentiate(arrays, trained, SIZES)
    return [trained.output, *first, *program.second(arrays, SIZES)]


def compared(graph, dtype, tolerance):
    """Compares twins in a data type with the paper's primitives in float64."""
    own = own_primitives.with_twins(graph)
    assert own != graph
    for actual, expected in zip(results(own, dtype), results(graph), strict=True):
        assert actual.dtype == dtype
        scale = max(np.abs(expected).max(), 1.0)
        assert np.abs(actual - expected).max() <= tolerance * scale


def sampled():
    """Random graphs in which at least three nodes have twins."""
    rng = np.random.default_rng(11)
    canonical = (search.sample_graph(rng).canonical() for _ in range(1000))
    count = {graph: sum(n.op in own_primitives.TWINS for n in graph.nodes) for graph in canonical}
    return [graph for graph in count if count[graph] > 2 and 0 in graph.live()][:40]


def test_twins_equal_the_papers_primitives_in_values_and_derivatives_of_two_orders():
    finite = [g for g in sampled() if all(np.isfinite(each).all() for each in results(g))]
    assert len(finite) > 25
    for graph in finite:
        compared(graph, np.float64, 1e-9)


@pytest.mark.parametrize("index_set", INDEX_SETS)
def test_twins_in_float32_equal_float64(index_set):
    nodes = (
        en.Node("MUL", (0, 3)),
        en.Node("RMS", (4,), index_set),
        en.Node("MEAN", (4,), index_set),
        en.Node("TANH", (6,)),
        en.Node("ADD", (5, 7)),
        en.Node("SIGMOID", (4,)),
        en.Node("MUL", (8, 9)),
        en.Node("MUL", (10, 0)),
    )
    compared(en.LayerGraph(nodes), np.float32, 3e-6)
    compared(en.LayerGraph(nodes), np.float64, 1e-12)


@pytest.mark.parametrize("index_set", INDEX_SETS)
@pytest.mark.parametrize("op", ["LARGEST", "TOTAL"])
def test_own_aggregations_equal_those_of_the_layer(op, index_set):
    # TOTAL of v1, which does not vary over the image, counts it once for each element.
    nodes = (en.Node("MUL", (0, 3)), en.Node("SQUARE", (4,)), en.Node(op, (5,), index_set))
    nodes += (en.Node(op, (3,), index_set), en.Node("ADD", (6, 7)), en.Node("DIV", (0, 8)))
    case = Case(en.LayerGraph(nodes), 3)
    y, first, second_x, second_upstream = case.by_tensorflow()
    trained = case.program.train(case.arrays(), SIZES)
    assert_close(trained.output, y, 1e-12)
    found = case.program.differentiate(case.arrays(upstream=case.upstream), trained, SIZES)
    gradients = dict(zip(("x", *VECTORS), found, strict=True))
    for name, gradient in first.items():
        assert_close(gradients[name], gradient, 1e-12 if name == "x" else 1e-6)
    to = {f"to_{name}": np.ones(SHAPE[-1]) * (name in first) for name in VECTORS}
    arrays = case.arrays(upstream=case.upstream, to_x=case.to_x, **to)
    to_x, *_, to_upstream = case.program.second(arrays, SIZES)
    assert_close(to_x, second_x, 1e-6)
    assert_close(to_upstream, second_upstream, 1e-6)
    assert np.abs(second_x).max() > 0
    starts = zip(case.program.moving_starts, trained.moments, strict=True)
    averages = [0.9 * start + 0.1 * moment for start, moment in starts]
    inference = case.program.infer(case.arrays(), averages, SIZES)
    assert_close(inference, case.layer(case.x, training=False), 1e-6)
