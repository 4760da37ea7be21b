"""The comparison of found layers with known ones, on scores made up for the purpose."""

import numpy as np
import pytest

from benchmarks import discovery


def _scores(**layers):
    """Layer -> one accuracy a seed, the same in both anchors."""
    return {
        layer: {str(seed): {"a": value, "b": value} for seed, value in enumerate(values)}
        for layer, values in layers.items()
    }


def test_differences_are_paired_by_seed():
    # Both trainings of a seed are equally good or bad, so their difference is exact.
    reference = np.array([0.5, 0.9, 0.6, 0.8, 0.7])
    noise = np.array([0.01, 0.03, 0.02, 0.02, 0.02])
    scores = _scores(bn_relu=reference, found=reference + noise)
    row = discovery.compared(scores, ["found"])["found"]
    assert row["lead"] == pytest.approx(2.0)
    assert row["standard_error"] == pytest.approx(100 * noise.std(ddof=1) / 5**0.5)
    assert row["p"] == row["p_holm"] < 0.01


def test_a_layer_that_is_worse_has_no_small_p():
    scores = _scores(bn_relu=[0.5, 0.6, 0.7], found=[0.4, 0.55, 0.62])
    assert discovery.compared(scores, ["found"])["found"]["p"] > 0.9


def test_holm_multiplies_the_smallest_p_by_the_number_of_layers():
    rng = np.random.default_rng(0)
    reference = rng.uniform(0.5, 0.6, 5)
    leads = {"one": 0.05, "two": 0.02, "three": 0.005}
    layers = {name: reference + lead + rng.normal(0, 0.01, 5) for name, lead in leads.items()}
    rows = discovery.compared(_scores(bn_relu=reference, **layers), list(layers))
    ordered = sorted(rows.values(), key=lambda row: row["p"])
    assert ordered[0]["p_holm"] == pytest.approx(3 * ordered[0]["p"])
    held = [row["p_holm"] for row in ordered]
    assert held == sorted(held) and max(held) <= 1.0


def test_seeds_that_one_of_the_two_lacks_do_not_count():
    scores = _scores(bn_relu=[0.5, 0.6, 0.7], found=[0.6, 0.71])
    assert discovery.compared(scores, ["found"])["found"]["lead"] == pytest.approx(10.5)


def test_the_report_has_a_row_for_each_layer_the_best_first():
    scores = _scores(bn_relu=[0.5, 0.6, 0.7], found=[0.61, 0.7, 0.8])
    record = {
        "scores": scores,
        "evaluation": {"anchors": ["a", "b"]},
        "comparison": discovery.compared(scores, ["found"]),
    }
    rows = discovery.report(record).splitlines()[2:]
    assert rows[0].startswith("| `found` | 70.3 | 70.3 | 70.3 | +10.3 ± 0.3 | ")
    assert rows[1] == "| `bn_relu`, known | 60.0 | 60.0 | 60.0 |  |  |"


def test_the_origins_have_a_row_for_each_found_layer():
    found = {
        "formula": "x",
        "batch_independent": True,
        "seed": 3,
        "search_seconds": 390,
        "genotypes": 12000,
        "accepted": 60,
        "validation": 0.9,
    }
    text = discovery.origins({"runs": {"one": found}})
    assert text.splitlines()[2:] == ["| `x` | not allowed | 3 | 6 | 12,000 | 60 | 90.0 |"]
