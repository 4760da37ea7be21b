"""What is counted of random layers; and a run of few of them."""

import json

import pytest

from benchmarks import random_layers


def test_share_at_random_guess():
    assert random_layers.share_at_guess([0.1, 0.19, 0.2, 0.9]) == 0.5


def test_layers_that_learn_on_one_anchor_and_fail_on_another():
    accuracies = {"a": [0.1, 0.5, 0.6, 0.7], "b": [0.8, 0.1, 0.6, 0.7], "c": [0.9, 0.9, 0.6, 0.1]}
    expected = {"a": [2, 3], "b": [2, 3], "c": [2, 3]}
    assert random_layers.fail_on_another(accuracies) == expected


@pytest.mark.slow
def test_a_run_goes_on_up_to_the_number_asked_for(tmp_path, capsys):
    arguments = ["--run-dir", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    for candidates in ("1", "3"):
        assert random_layers.main([*arguments, "--workers", "1", "--candidates", candidates]) == 0
    found = json.loads((tmp_path / "out/rejection.json").read_text(encoding="utf-8"))
    assert found["trained"] == 3
    assert {len(scores) for scores in found["accuracies"].values()} == {3}
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == found["share_at_random_guess"]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        "rejection.png",
        "calibration.png",
    }
