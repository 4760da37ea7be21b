"""The signal test: layers that normalize pass, layers that follow their input's scale fail."""

import numpy as np
import pytest

import evonorm_tf as en
from evonorm_tf import registry
from search import sample_graph
from search.evaluation import signal
from search.evaluation.engine.layer_program import LayerProgram
from search.evaluation.probe import probe

EVONORMS = [name for name in registry.names() if name.startswith("evonorm")]


def graph(*nodes):
    return en.LayerGraph(tuple(en.Node(*node) for node in nodes))


SCALED = {
    "identity": graph(("ADD", (0, 1))),
    "relu": graph(("MAX", (0, 1))),
    "tanh": graph(("TANH", (0,))),
    "square": graph(("SQUARE", (0,))),
    "exp": graph(("EXP", (0,))),
    # The output's scale is the inverse of the input's: a layer undoes what the one before did.
    "x over variance": graph(("STD", (0,), "WH"), ("SQUARE", (4,)), ("DIV", (0, 5))),
}


@pytest.mark.parametrize("name", [*EVONORMS, "rs_rej"])
def test_layers_that_normalize_pass(name):
    assert signal.passes(LayerProgram(registry.graph(name)))


@pytest.mark.parametrize("name", SCALED)
def test_layers_that_follow_the_scale_fail(name):
    assert not signal.passes(LayerProgram(SCALED[name]))


@pytest.mark.parametrize("name", ["b0_no_global", "b0_max_to_add", "random", "random_rej"])
def test_layers_that_break_in_the_paper_fail(name):
    assert not signal.passes(LayerProgram(registry.graph(name)))


def test_a_layer_that_makes_all_examples_alike_fails():
    # std(x) is the same for each example, whatever the scale is, up to its own.
    alike = graph(("RMS", (0,), "BWH"), ("STD", (0,), "BWH"), ("DIV", (4, 5)), ("SIGMOID", (0,)))
    alike = en.LayerGraph((*alike.nodes, en.Node("SIGMOID", (7,)), en.Node("MUL", (6, 8))))
    assert not signal.passes(LayerProgram(alike))


def test_features_are_the_scales_of_the_stack():
    # The identity multiplies by four at each layer, and gradients likewise on their way back; the
    # last output is beyond the bound of 1e10.
    numbers = signal.features(LayerProgram(SCALED["identity"]))
    first, fourth, last, grad_first, grad_fourth, grad_last, cosine = numbers
    np.testing.assert_allclose(fourth - first, 3 * np.log10(4.0), atol=0.1)
    np.testing.assert_allclose(grad_first - grad_fourth, 3 * np.log10(4.0), atol=0.1)
    np.testing.assert_allclose(grad_fourth - grad_last, 12 * np.log10(4.0), atol=0.2)
    assert last == 10.0
    assert -0.1 < cosine < 0.1
    # A batch norm's outputs have one scale, whatever comes before.
    norm = graph(("STD", (0,), "BWH"), ("DIV", (0, 4)))
    np.testing.assert_allclose(signal.features(LayerProgram(norm))[:3], 0.0, atol=0.2)


def test_features_are_finite_for_all_layers():
    rng = np.random.default_rng(0)
    for _ in range(40):
        numbers = signal.features(LayerProgram(sample_graph(rng)))
        assert len(numbers) == 7 and np.isfinite(numbers).all()


def test_it_is_an_option_of_the_probe():
    assert probe(SCALED["relu"]).reason is None
    assert probe(SCALED["relu"], reject_signal=True).reason == "signal"
    assert probe(registry.graph("evonorm_s0"), reject_signal=True).reason is None
