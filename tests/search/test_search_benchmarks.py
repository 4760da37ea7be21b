"""The simulated workers: the same run each time, and time lost where workers vanish."""

import dataclasses
import json

import pytest

from benchmarks import search_controller, search_cost
from benchmarks.simulated_workers import RECORDING, Workers
from search.presets import preset


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return search_controller.simulate(tmp_path_factory.mktemp("run"), 600, Workers(20, 100.0))


def test_a_simulated_run_is_a_whole_one(undisturbed):
    assert sum(undisturbed["counts"].values()) == 600
    assert set(undisturbed["counts"]) == {"accepted", "rejected", "duplicate"}
    assert undisturbed["decisions"] > 700  # births and answers
    assert len(undisturbed["blocks"]) == 20
    assert undisturbed["share_of_time_lost"] == 0.0


def test_stragglers_and_losses_take_time(undisturbed, tmp_path):
    disturbed = {
        "stragglers": Workers(20, 100.0, straggler_share=0.2),
        "losses": Workers(20, 100.0, lost_per_hour=0.9),
    }
    rates = {
        name: search_controller.simulate(tmp_path / name, 600, workers)
        for name, workers in disturbed.items()
    }
    for result in rates.values():
        assert (
            result["genotypes_per_virtual_hour"] < 0.9 * undisturbed["genotypes_per_virtual_hour"]
        )
    assert rates["losses"]["share_of_time_lost"] > 0.05


def test_hours_follow_from_seconds_per_step():
    settings = preset("paper-b").evaluation
    seconds = {a: {"training_step": 3.6, "stability_step": 7.2} for a in settings.anchors}
    hours = search_cost.stage_hours(seconds, settings)
    assert hours == pytest.approx({"quality": 0.6, "stability": 0.6, "training": 5.4})
    rows = json.loads(RECORDING.read_text(encoding="utf-8"))
    trained = [row for row in rows if row["end"] == "trained"]
    share = sum(bool(row["scores"]) for row in trained) / len(trained)
    mean = search_cost.mean_hours(hours)
    assert (mean["quality"], mean["training"]) == pytest.approx((0.6, 5.4 * share))


def test_a_measured_step_of_either_kind_takes_time():
    settings = dataclasses.replace(preset("demo").evaluation, image_size=16)
    seconds = search_cost.measure("resnet_small", "evonorm_b0", settings, steps=2)
    assert seconds["stability_step"] > 0
    assert seconds["training_step"] > 0
