"""The table of the ways to search."""

import pytest

from benchmarks import search_experiments as experiments
from trainers.studies.estimates import mean


def _run(way, seed, end, best=0.9, accepted=10):
    return {"way": way, "seed": seed, "curve": [0.0, end], "best": best, "accepted": accepted}


def test_the_report_pairs_each_way_with_evolution_by_seed():
    ends = {"evolution": (0.8, 0.6, 0.7), "evolution by the average": (0.85, 0.7, 0.72)}
    runs = [_run(way, seed, end) for way in ends for seed, end in enumerate(ends[way])]
    others = [way for way in experiments.WAYS if way not in ends]
    runs += [_run(way, seed, 0.5, 0.8, 4) for way in others for seed in (2, 1, 0)]
    text = experiments.report({"runs": runs})
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in text.splitlines()[2:]}
    assert list(rows) == list(experiments.WAYS)
    assert rows["evolution"][1:5] == ["3", "70.0", "", ""]
    expected = mean([5.0, 10.0, 2.0])
    average = rows["evolution by the average"]
    assert average[2] == "75.7"
    assert average[3] == f"{expected.value:+.1f} ± {expected.half_width:.1f}"
    assert average[4] == f"{expected.p:.2g}"
    random = rows["random search with rejection"]
    assert random[2:4] == ["50.0", f"{-20.0:+.1f} ± {mean([-30.0, -10.0, -20.0]).half_width:.1f}"]
    assert random[5].strip("| ") == "80.0" and random[6].strip("| ") == "4"


@pytest.mark.parametrize("way", experiments.WAYS)
def test_each_way_changes_the_configuration(way):
    config = experiments.configure("evolution", 0, "max_evaluated=5", 1)
    changed = config.override(experiments.WAYS[way])
    assert (changed == config) is (way == experiments.EVOLUTION)
