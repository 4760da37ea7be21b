"""What the report says that a layer normalizes by."""

import pytest

import evonorm_tf as en
from evonorm_tf import registry
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
    assert described(registry.graph(name)) == words


@pytest.mark.parametrize("op", ["TANH", "SQRT", "SIGMOID"])
def test_a_function_that_saturates_normalizes_nothing(op):
    assert described(en.LayerGraph((en.Node(op, (0,)),))) == "normalizes nothing"


def test_a_statistic_that_does_not_undo_the_scale_normalizes_nothing():
    centered = en.LayerGraph(
        (en.Node("MEAN", (0,), "WH"), en.Node("NEG", (4,)), en.Node("ADD", (0, 5)))
    )
    assert described(centered) == "normalizes nothing"
