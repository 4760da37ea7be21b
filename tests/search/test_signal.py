"""The signal test: layers that normalize pass, layers that follow their input's scale fail."""

import pytest

import evonorm_tf as en
from evonorm_tf import registry
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


def test_it_is_an_option_of_the_probe():
    assert probe(SCALED["relu"]).reason is None
    assert probe(SCALED["relu"], reject_signal=True).reason == "signal"
    assert probe(registry.graph("evonorm_s0"), reject_signal=True).reason is None
