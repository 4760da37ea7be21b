"""The search gives the verdicts of `verdicts.json`, made with Keras 2, with every Keras.

Both Kerases draw the same initial weights from a seed, and the searched layers run in NumPy, so
what can differ is rounding.
"""

import json

import numpy as np
import pytest

from tests.search import verdicts
from tests.tiers import tiered

REFERENCE = json.loads(verdicts.FILE.read_text(encoding="utf-8"))
LAYERS = REFERENCE["layers"]


@pytest.fixture(scope="module")
def judge():
    return verdicts.evaluator()


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_its_verdict_and_its_scores(judge, name):
    expected = LAYERS[name]
    found = verdicts.verdict_of(judge, json.dumps(expected["graph"]))
    assert found["verdict"] == expected["verdict"]
    for key, tolerance in verdicts.TOLERANCES.items():
        assert verdicts.difference(key, expected, found) <= tolerance, (key, found[key])


def test_the_reference_has_good_and_broken_layers():
    kinds = {layer["verdict"] for layer in LAYERS.values()}
    assert kinds == {*verdicts.ROWS}
    best = max(max(layer.get("scores", {"": 0}).values()) for layer in LAYERS.values())
    assert best > 0.4  # of ten classes


@pytest.mark.parametrize(
    "anchor",
    tiered(REFERENCE["projections"], slow=[], everyday=["resnet_small", "mobilenet_v2_small"]),
)
def test_networks_start_from_the_same_weights(anchor):
    expected = REFERENCE["projections"][anchor]
    np.testing.assert_allclose(verdicts.projections(anchor), expected, rtol=1e-5, atol=1e-6)
