"""Free rejections have the right cause; equal functions and no others share a fingerprint."""

import numpy as np
import pytest

import search
from evonorm_tf import LayerGraph, Node, registry
from search.evaluation.engine.instructions import Sizes
from search.evaluation.engine.layer_program import VECTORS, LayerProgram, initial_vectors
from search.evaluation.probe import probe


def _graph(*nodes):
    return LayerGraph(tuple(Node(*node) for node in nodes))


REJECTED = {
    "no_input": [
        _graph(("EXP", (3,))),
        _graph(("EXP", (0,)), ("TANH", (2,))),
        _graph(("STD", (3,), "BWH")),
    ],
    "constant": [
        _graph(("MEAN", (0,), "BWH")),
        _graph(("ADD", (0, 0)), ("MUL", (4, 1))),
        _graph(("NEG", (0,)), ("ADD", (0, 4))),
        _graph(("STD", (0,), "BWH"), ("SIGMOID", (4,))),
        # The variance of a channel's values around a constant of that channel.
        _graph(("MEAN", (0,), "WH"), ("MEAN", (4,), "BWH"), ("STD", (5,), "WH")),
    ],
    "not_finite": [
        _graph(("EXP", (0,)), ("EXP", (4,)), ("EXP", (5,)), ("EXP", (6,))),
        _graph(*[("SQUARE", (i,)) for i in (0, 4, 5, 6, 7, 8, 9, 10, 11, 12)]),
    ],
    "zero_gradient": [
        # sign(x), away from zero.
        _graph(("ABS", (0,)), ("DIV", (0, 4))),
    ],
}


@pytest.mark.parametrize(
    ("reason", "graph"), [(reason, graph) for reason in REJECTED for graph in REJECTED[reason]]
)
def test_free_rejections(reason, graph):
    found = probe(graph)
    assert (found.reason, found.fingerprint) == (reason, None)


@pytest.mark.parametrize(
    "name",
    [
        "evonorm_b0",
        "evonorm_b1",
        "evonorm_b2",
        "evonorm_s0",
        "evonorm_s1",
        "evonorm_s2",
        "random_rej",
        "rs_rej",
    ],
)
def test_good_layers_pass_with_fingerprints_of_their_own(name):
    found = probe(registry.graph(name))
    assert found.reason is None
    others = {
        probe(registry.graph(n)).fingerprint for n in ("evonorm_b0", "evonorm_s0") if n != name
    }
    assert found.fingerprint not in others


FLAT = [
    _graph(("MEAN", (0,), "WH")),
    _graph(("STD", (0,), "WHCQ"), ("MUL", (4, 3))),
    _graph(("RMS", (0,), "WHC"), ("STD", (0,), "WH"), ("MAX", (4, 5))),
]


def test_flat_layers_are_rejected_on_request_alone():
    assert [probe(graph, reject_flat=True).reason for graph in FLAT] == ["flat"] * 3
    assert [probe(graph).reason for graph in FLAT] == [None] * 3
    centered = _graph(("MEAN", (0,), "WH"), ("NEG", (4,)), ("ADD", (0, 5)))
    assert probe(centered, reject_flat=True).reason is None


def test_layers_that_do_not_normalize_are_rejected_on_request_alone():
    root = _graph(("SQRT", (0,)))  # passes the signal test
    assert probe(root, reject_signal=True).reason is None
    assert probe(root, reject_unnormalized=True, reject_signal=True).reason == "unnormalized"


def test_a_layer_that_starts_at_zero_is_not_constant():
    # v0 starts at 0, so the first output is 0; training moves v0 away.
    assert probe(_graph(("MUL", (0, 2)))).reason is None


X2 = _graph(("SQUARE", (0,)))
RELU = _graph(("MAX", (0, 1)))
SAME = [
    (X2, _graph(("MUL", (0, 0)))),
    (X2, _graph(("ABS", (0,)), ("MUL", (4, 4)))),
    (X2, _graph(("NEG", (0,)), ("SQUARE", (4,)))),
    (RELU, _graph(("MAX", (1, 0)), ("EXP", (4,)), ("MAX", (4, 1)))),
    (RELU, _graph(("NEG", (0,)), ("NEG", (4,)), ("MAX", (5, 1)))),
    (
        _graph(("STD", (0,), "BWH"), ("DIV", (0, 4))),
        _graph(("NEG", (0,)), ("STD", (4,), "BWH"), ("DIV", (0, 5))),
    ),
    (_graph(("MEAN", (0,), "WH")), _graph(("MEAN", (0,), "WH"), ("MEAN", (4,), "WH"))),
    (_graph(("ADD", (0, 3)), ("ADD", (4, 2))), _graph(("ADD", (2, 0)), ("ADD", (3, 4)))),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_equal_functions_share_a_fingerprint(first, second):
    fingerprint = probe(first).fingerprint
    assert fingerprint is not None
    assert probe(second).fingerprint == fingerprint


DIFFERENT = [
    (_graph(("STD", (0,), "WH"), ("DIV", (0, 4))), _graph(("STD", (0,), "WHCQ"), ("DIV", (0, 4)))),
    (_graph(("RMS", (0,), "WH"), ("DIV", (0, 4))), _graph(("STD", (0,), "WH"), ("DIV", (0, 4)))),
    (_graph(("MUL", (0, 3))), _graph(("MUL", (0, 2)))),
    (RELU, _graph(("MAX", (0, 2)))),  # equal as long as v0 is 0
    (_graph(("ADD", (0, 1))), _graph(("MUL", (0, 3)))),  # equal as long as v1 is 1
    # Equal in training; in inference a root of a moving mean is no mean of roots.
    (
        _graph(("RMS", (0,), "BWH"), ("DIV", (0, 4))),
        _graph(
            ("SQUARE", (0,)),
            ("MEAN", (4,), "BWH"),
            ("MEAN", (5,), "BWH"),
            ("SQRT", (6,)),
            ("DIV", (0, 7)),
        ),
    ),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_functions_do_not(first, second):
    assert probe(first).fingerprint != probe(second).fingerprint


S, V0, V1 = ("STD", (0,), "BWH"), 2, 3
ALIKE_BUT_FOR_GAMMA_AND_BETA = [
    (_graph(("MUL", (0, V1))), _graph(("ADD", (0, V0)))),
    (_graph(S, ("DIV", (0, 4))), _graph(S, ("NEG", (4,)), ("DIV", (0, 5)))),
    (_graph(S, ("DIV", (0, 4))), _graph(S, ("DIV", (0, 4)), ("ADD", (V1, 5)), ("MUL", (6, V1)))),
    # The channels of an image have one mean, so each gradient depends on all factors.
    (
        _graph(("RMS", (0,), "WHC"), ("DIV", (0, 4))),
        _graph(("RMS", (0,), "WHC"), ("DIV", (V1, 4)), ("MUL", (0, 5))),
    ),
]
UNLIKE = [
    (RELU, _graph(("NEG", (0,)), ("MAX", (4, 1)))),  # a sign of the input
    (_graph(("MUL", (0, V1)), ("SIGMOID", (4,))), _graph(("SIGMOID", (0,)))),
    (_graph(("ADD", (0, 1))), _graph(("MEAN", (0,), "BWH"), ("NEG", (4,)), ("ADD", (0, 5)))),
    (_graph(("ADD", (0, 1))), _graph(S, ("DIV", (0, 4)))),
    (_graph(("RMS", (0,), "WH"), ("DIV", (0, 4))), _graph(("STD", (0,), "WH"), ("DIV", (0, 4)))),
]


@pytest.mark.parametrize(("first", "second"), ALIKE_BUT_FOR_GAMMA_AND_BETA)
def test_gamma_and_beta_absorb_factors_and_offsets(first, second):
    found = [probe(graph, up_to_affine=True).fingerprint for graph in (first, second)]
    assert None not in found and found[0] == found[1]
    assert probe(first).fingerprint != probe(second).fingerprint


@pytest.mark.parametrize(("first", "second"), [*UNLIKE, DIFFERENT[-1]])
def test_gamma_and_beta_absorb_nothing_else(first, second):
    found = [probe(graph, up_to_affine=True).fingerprint for graph in (first, second)]
    assert found[0] != found[1]


# sqrt(epsilon) each: no training moves v0 from 0, or one v1 from the others.
STILL = [
    _graph(("RMS", (V0,), "WH"), ("MAX", (0, 4))),
    _graph(("RMS", (1,), "WHC"), ("MAX", (0, 4))),
    _graph(("STD", (V1,), "WHCQ"), ("MAX", (0, 4))),
]
MOVED = [
    _graph(("MAX", (0, V0))),
    _graph(("RMS", (V1,), "WH"), ("MAX", (0, 4))),
    # The gradient for v1 is zero as long as v0 is, which moves.
    _graph(("MUL", (V0, V1)), ("MAX", (0, 4))),
]


@pytest.mark.parametrize("up_to_affine", [False, True])
def test_vectors_that_no_training_moves_have_their_initial_values(up_to_affine):
    still = {probe(graph, up_to_affine=up_to_affine).fingerprint for graph in STILL}
    moved = {probe(graph, up_to_affine=up_to_affine).fingerprint for graph in MOVED}
    assert len(still) == 1 and None not in still
    assert len(moved) == len(MOVED) and not moved & still


@pytest.mark.parametrize(
    "graph, moves", [*((graph, False) for graph in STILL), *((graph, True) for graph in MOVED)]
)
def test_what_gradient_descent_does_to_them(graph, moves):
    program, rng = LayerProgram(graph), np.random.default_rng(3)
    start = initial_vectors(8, np.float64)
    vectors = dict(start)
    for _ in range(5):
        x, upstream = rng.normal(size=(2, 8, 4, 6))
        given = {"x": x, **vectors}
        sizes = Sizes(x.shape, 4)
        slopes = program.differentiate(
            {**given, "upstream": upstream}, program.train(given, sizes), sizes
        )
        for name, slope in zip(VECTORS, slopes[1:], strict=True):
            vectors[name] = vectors[name] - 0.1 * slope
    assert moves == any(not np.array_equal(vectors[name], start[name]) for name in ("v0", "v1"))


def test_canonical_form_keeps_the_fingerprint():
    rng = np.random.default_rng(9)
    passed = 0
    for _ in range(60):
        graph = search.sample_graph(rng)
        found = probe(graph)
        assert probe(graph.canonical()) == found
        passed += found.fingerprint is not None
    assert 5 < passed < 30
