"""The table of the ways to search, and the curves."""

import pytest

from benchmarks import search_experiments as experiments
from benchmarks import small_searches
from search.storage.candidate import Candidate
from trainers.studies.estimates import holm, mean


def _run(way, seed, end, best=0.9, accepted=10):
    ends = {"ten_best": end, "best": best, "accepted": accepted}
    return {"way": way, "seed": seed, "curve": [None, end], **ends}


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_report_pairs_each_way_with_evolution_by_seed():
    ends = {"evolution": (0.8, 0.6, 0.7), "evolution by the average": (0.85, 0.7, 0.72)}
    runs = [_run(way, seed, end) for way in ends for seed, end in enumerate(ends[way])]
    others = [way for way in experiments.WAYS if way not in ends]
    runs += [_run(way, seed, 0.5, 0.8, 4) for way in others for seed in (2, 1, 0)]
    lines = experiments.report({"runs": runs}).splitlines()
    rows = {cells[0]: cells[1:] for cells in map(_cells, lines[2:])}
    assert list(rows) == list(experiments.WAYS)
    assert {len(_cells(line)) for line in lines} == {9}
    assert rows["evolution"] == ["3", "10", "70.0", "", "", "90.0", "", ""]
    by_average, others = mean([5.0, 10.0, 2.0]), mean([-30.0, -10.0, -20.0])
    p = holm([others.p, by_average.p, *[others.p] * (len(rows) - 3)])
    average = rows["evolution by the average"]
    assert average[2:4] == ["75.7", f"{by_average.value:+.1f} ± {by_average.half_width:.1f}"]
    assert average[4] == f"{p[1]:.2g}"
    random = rows["random search with rejection"]
    assert random[1:4] == ["4", "50.0", f"{-20.0:+.1f} ± {others.half_width:.1f}"]
    assert random[4:] == [f"{p[0]:.2g}", "80.0", "-10.0 ± 0.0", "0"]


def test_a_report_of_one_seed_has_no_intervals():
    runs = [_run(way, 0, 0.5) for way in list(experiments.WAYS)[:2]]
    lines = experiments.report({"runs": runs}).splitlines()
    assert _cells(lines[-1])[1:] == ["1", "10", "50.0", "", "", "90.0", "", ""]


def test_the_curve_is_of_the_newest_layers_and_of_those_there_are():
    fitness = [0.9, None, 0.1, 0.2]
    rows = [
        Candidate(
            number, "random", status="accepted" if each else "rejected", fitness=each, formula="x"
        )
        for number, each in enumerate([None, *fitness], start=1)
    ]
    curve = experiments.progress_curve(rows, window=2)
    assert curve[0] is None
    assert curve[1:] == pytest.approx([0.9, 0.9, 0.5, 0.15])
    many = [Candidate(n, "random", status="accepted", fitness=n / 20) for n in range(1, 13)]
    assert experiments.progress_curve(many, window=60)[-1] == pytest.approx(sum(range(3, 13)) / 200)


@pytest.mark.parametrize("way", experiments.WAYS)
def test_each_way_changes_the_configuration(way):
    config = small_searches.configure("evolution", 0, "max_evaluated=5", 1)
    changed = config.override(experiments.WAYS[way])
    assert (changed == config) is (way == experiments.EVOLUTION)
