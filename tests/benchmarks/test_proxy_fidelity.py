"""The figures that say how well a proxy ranks layers, on scores made up for the purpose."""

import pytest

from benchmarks import proxy_fidelity as fidelity


def scores(fitness, seeds=2):
    """Scores of a proxy with one anchor; `fitness` is in percent."""
    return {
        layer: {
            str(seed): {"x": {"accuracy": fitness(layer, seed) / 100, "seconds": 2.0}}
            for seed in range(seeds)
        }
        for layer in fidelity.LAYERS
    }


def ideal(layer, seed):
    """The paper's own column, 50 for layers without a normalization."""
    return fidelity.PAPER["resnet50"].get(layer, 50.0) + 0.01 * seed


def test_the_paper_s_own_figures_are_a_perfect_proxy():
    summary = fidelity.summarize(scores(ideal))
    assert summary["tau"]["resnet50"] == pytest.approx(1.0)
    assert summary["share_in_order"] == 1.0
    assert summary["unnormalized_below_bn_relu"] == pytest.approx(76.3 - 50.0)
    assert summary["separation"] > 100  # 75.3 and 71.7, whose errors are 0.005
    assert summary["seconds"] == 2.0


def test_a_broken_layer_that_beats_a_good_one_is_counted_for_each_seed():
    def fooled(layer, seed):
        return 75.4 if layer == "random_rej" and seed == 0 else ideal(layer, seed)

    summary = fidelity.summarize(scores(fooled))
    # It beats GN-ReLU alone, in one of two seeds.
    pairs = len(fidelity.BROKEN) * len(fidelity.GOOD) * 2
    assert summary["share_in_order"] == pytest.approx(1 - 1 / pairs)


def test_every_layer_has_a_kind_or_no_column():
    assert set(fidelity.BROKEN) < set(fidelity.PAPER["resnet50"])
    assert {"evonorm_b0", "evonorm_s0", "bn_relu", "gn_relu"} < set(fidelity.GOOD)


def test_the_report_has_a_row_for_each_layer():
    result = {"scores": scores(ideal), "evaluation": {"anchors": ["x"]}}
    result["summary"] = fidelity.summarize(result["scores"])
    text = fidelity.report(result)
    assert all(f"| `{layer}` |" in text for layer in fidelity.LAYERS)
    assert "| `random_rej` | broken | 71.7 ± 0.0 | 71.7 |" in text
