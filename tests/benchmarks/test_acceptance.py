"""The table of known layers that pass or fail the tests of a preset."""

import pytest

from benchmarks import acceptance
from search.evaluation.images import load_data
from search.presets import preset


def _result(accuracy, norm):
    return {"accuracy": accuracy, "norm": norm, "stability_steps": 100}


def test_a_layer_passes_with_both_tests_alone():
    record = {
        "one": {"a": {"0": _result(0.25, 3.0)}},
        "two": {"a": {"0": _result(0.19, 3.0), "1": _result(0.2, 1e9)}},
        "three": {"a": {"0": {"accuracy": 0.5, "norm": None}}, "b": {"0": {"accuracy": 0.3}}},
    }
    rows = acceptance.report(record, preset("paper-b").evaluation).splitlines()
    assert rows[0] == "| layer | `a` | `b` |"
    assert rows[2:] == [
        "| one | 25.0 %, norm 3 |  |",
        "| two | 19.0 %, norm 3 (rejected); 20.0 %, norm 1e+09 (rejected) |  |",
        "| three | 50.0 %, norm inf (rejected) | 30.0 % |",
    ]


@pytest.mark.slow
def test_a_layer_is_tested_as_a_candidate_is():
    config = preset("smoke").override(["evaluation.quality_steps=30"])
    images = load_data(config.evaluation)
    graph, known = (
        acceptance.tested(images, config.evaluation, "resnet_small", layer, 0)
        for layer in ("evonorm_b0", "baseline")
    )
    for result in (graph, known):
        assert result["accuracy"] > 0.2 and 0 < result["norm"] < 1e8
        assert result["stability_steps"] == config.evaluation.stability_steps
    # What a stopped run already has is kept.
    rest = acceptance.tested(
        images, config.evaluation, "resnet_small", "evonorm_b0", 0, {"accuracy": 0.5}
    )
    assert rest["accuracy"] == 0.5
    assert rest["norm"] == pytest.approx(graph["norm"], rel=1e-3)
