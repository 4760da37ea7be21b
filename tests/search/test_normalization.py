"""What the report says that a layer normalizes by."""

import pytest

import evonorm_tf as en
from evonorm_tf import registry
from search.evaluation.engine.layer_program import LayerProgram
from search.evaluation.normalization import normalizes
from search.report.normalization import described


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("evonorm_b0", "normalizes by statistics of the batch and each channel of an image"),
        ("evonorm_s0", "normalizes by statistics of groups of channels of an image"),
        ("rs_rej", "normalizes by statistics of the batch"),
        ("random_rej", "normalizes nothing"),
    ],
)
def test_registered_layers(name, words):
    graph = registry.graph(name)
    assert described(graph) == words
    assert normalizes(LayerProgram(graph)) == (words != "normalizes nothing")


@pytest.mark.parametrize("name", ["evonorm_b1", "evonorm_b2", "evonorm_s1", "evonorm_s2"])
def test_the_other_evonorms_normalize(name):
    assert normalizes(LayerProgram(registry.graph(name)))


@pytest.mark.parametrize("op", ["TANH", "SQRT", "SIGMOID"])
def test_a_function_that_saturates_normalizes_nothing(op):
    assert described(en.LayerGraph((en.Node(op, (0,)),))) == "normalizes nothing"


def test_a_layer_that_divides_by_a_root_normalizes_in_part():
    nodes = ("ABS", (0,), None), ("MEAN", (4,), "BWH"), ("SQRT", (5,), None), ("DIV", (0, 6), None)
    graph = en.LayerGraph(tuple(en.Node(*each) for each in nodes))
    assert described(graph) == "normalizes in part, by statistics of the batch"
    assert not normalizes(LayerProgram(graph))


def test_a_statistic_that_does_not_undo_the_scale_normalizes_nothing():
    centered = en.LayerGraph(
        (en.Node("MEAN", (0,), "WH"), en.Node("NEG", (4,)), en.Node("ADD", (0, 5)))
    )
    assert described(centered) == "normalizes nothing"
