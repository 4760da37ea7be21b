"""Networks that are traced once, compared with those that are traced for each layer."""

import pytest

from benchmarks import search_verdicts
from evonorm_tf import registry
from search.evaluation.evaluator import Evaluator
from search.presets import preset
from search.storage.candidate import Candidate


def _way(verdict, seconds, **scores):
    return {"verdict": verdict, "seconds": seconds, "scores": scores or None}


def test_the_search_as_a_whole_has_the_probes_of_what_is_settled_without_a_network():
    rows = [
        {"once": _way("quality", 1.0), "each": _way("quality", 6.0)},
        {"once": _way("accepted", 3.0, a=0.5), "each": _way("accepted", 8.0, a=0.53)},
    ]
    result = search_verdicts._summary(rows, probe=0.5, share=0.2)
    assert result["evaluated_per_minute"] == {"once": 30.0, "each": pytest.approx(60 / 7)}
    assert result["genotypes_per_minute"] == {
        "once": pytest.approx(60 / (0.4 + 0.4)),
        "each": pytest.approx(60 / (0.4 + 1.4)),
    }
    assert result["times_faster"] == 3.5
    assert result["verdicts_equal"] == result["sample"] == 2
    assert result["largest_difference_of_scores"] == pytest.approx(0.03)


def test_samples_are_spread_over_all_rows():
    rows = [Candidate(number, "mutation") for number in range(10)]
    assert [row.id for row in search_verdicts._spread(rows, 4)] == [0, 2, 5, 7]
    assert search_verdicts._spread(rows[:2], 4) == rows[:2]


@pytest.mark.nightly
def test_both_ways_give_a_layer_the_same_verdict():
    config = preset("smoke")
    layer = registry.graph("evonorm_s0").to_json()
    once = Evaluator(config).evaluate(layer, True)
    each = search_verdicts._TracedForEach(config).evaluate(layer, True)
    assert once.status == each.status == "accepted"
    # Two of the validation images.
    assert each.fitness == pytest.approx(once.fitness, abs=2 / 360)
