"""Stages that run in different processes give what one process gives that runs them in a row."""

import dataclasses

import pytest

from evonorm_tf import registry
from search.evaluation.evaluator import Evaluator
from search.evaluation.outcome import STAGES, outcome_of, stages_of
from search.presets import preset
from trainers import data


def test_which_stages_there_are():
    assert stages_of(rejects=True, stability_test=True) == STAGES
    assert stages_of(rejects=True, stability_test=False) == ("quality", "training")
    assert stages_of(rejects=False, stability_test=True) == ("quality", "training")


def _without_seconds(outcome):
    stages = {
        name: {key: value for key, value in figures.items() if key != "seconds"}
        for name, figures in outcome.stages.items()
    }
    return dataclasses.replace(outcome, stages=stages, seconds=0.0)


@pytest.mark.slow
def test_apart_or_in_a_row():
    config, layer = preset("smoke"), registry.graph("evonorm_s0").to_json()
    images = data.load("digits")
    whole = Evaluator(config, images)
    expected = whole.evaluate(layer, True)
    # Each in an evaluator that has another layer in its anchors.
    results = {}
    other = Evaluator(config, images)
    for stage in STAGES:
        other.quality(registry.graph("evonorm_b0").to_json(), False)
        results[stage] = getattr(other, stage)(layer, True)
    assert expected.status == "accepted"
    assert _without_seconds(outcome_of(results)) == _without_seconds(expected)
    assert _without_seconds(whole.evaluate(layer, True)) == _without_seconds(expected)


@pytest.mark.slow
def test_a_layer_that_diverges_after_the_quality_test_is_rejected():
    settings = ["quality_steps=1", "quality_ratio=0", "stability_test=false", "learning_rate=1.0"]
    config = preset("smoke").override([f"evaluation.{setting}" for setting in settings])
    evaluator = Evaluator(config, data.load("digits"))
    layer = registry.graph("b0_no_global").to_json()
    rejected = evaluator.evaluate(layer, True)
    assert (rejected.status, rejected.reason, rejected.fitness) == ("rejected", "diverged", None)
    assert evaluator.evaluate(layer, False).status == "accepted"


@pytest.mark.slow
def test_a_training_that_learns_too_little_by_half_ends_there():
    layer = registry.graph("evonorm_b0").to_json()
    images = data.load("digits")
    settings = [
        "quality_ratio=0",
        "stability_test=false",
        "anchors=resnet_small,mobilenet_v2_small",
    ]
    config = preset("smoke").override([f"evaluation.{setting}" for setting in settings])
    whole = Evaluator(config, images).evaluate(layer, True)
    assert set(whole.stages["training"]["steps"].values()) == {30}
    for ratio, steps in ((1.0, {"resnet_small": 30, "mobilenet_v2_small": 30}), (9.9, None)):
        halved = Evaluator(config.override([f"evaluation.halving_ratio={ratio}"]), images)
        found = halved.evaluate(layer, True)
        assert found.status == "accepted"
        if steps is None:
            # Half of 30 steps on the first anchor; the other one stays at its quality test.
            assert found.stages["training"]["steps"] == {
                "resnet_small": 15,
                "mobilenet_v2_small": 15,
            }
            assert found.fitness < whole.fitness
        else:
            assert (found.stages["training"]["steps"], found.scores) == (steps, whole.scores)
        assert halved.evaluate(layer, False).scores == whole.scores
