"""The figures that say how well a proxy ranks layers, on scores made up for the purpose."""

import pytest

from benchmarks import proxy_fidelity as fidelity
from search.evaluation import anchor_trainer
from search.presets import preset


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
    summary = fidelity.summarize(scores(ideal), ["x"])
    assert summary["tau"]["resnet50"] == pytest.approx(1.0)
    assert summary["share_in_order"] == 1.0
    assert summary["unnormalized_below_bn_relu"] == pytest.approx(76.3 - 50.0)
    assert summary["separation"] > 100  # 75.3 and 71.7, whose errors are 0.005
    assert summary["seconds"] == 2.0


def test_a_broken_layer_that_beats_a_good_one_is_counted_for_each_seed():
    def fooled(layer, seed):
        return 75.4 if layer == "random_rej" and seed == 0 else ideal(layer, seed)

    summary = fidelity.summarize(scores(fooled), ["x"])
    # It beats GN-ReLU alone, in one of two seeds.
    pairs = len(fidelity.BROKEN) * len(fidelity.GOOD) * 2
    assert summary["share_in_order"] == pytest.approx(1 - 1 / pairs)


def test_every_layer_has_a_kind_or_no_column():
    assert set(fidelity.BROKEN) < set(fidelity.PAPER["resnet50"])
    assert {"evonorm_b0", "evonorm_s0", "bn_relu", "gn_relu"} < set(fidelity.GOOD)


def test_the_report_has_a_row_for_each_layer():
    result = {"scores": scores(ideal), "evaluation": {"anchors": ["x"]}}
    result["summaries"] = fidelity.summaries(result["scores"], ["x"])
    text = fidelity.report(result)
    assert all(f"| `{layer}` |" in text for layer in fidelity.LAYERS)
    assert "| `random_rej` | broken | 71.7 ± 0.0 | 71.7 |" in text
    assert "0.748 (ResNet-50 and MobileNetV2)" in text  # of the 13 layers of both columns


def test_each_choice_of_anchors_is_judged_by_its_own_scores():
    both = scores(ideal)
    for layer, by_seed in both.items():
        for seed, places in by_seed.items():
            wrong = {"accuracy": 1 - ideal(layer, int(seed)) / 100, "seconds": 3.0}
            places["upside_down"] = wrong
    judged = fidelity.summaries(both, ["x", "upside_down"])
    assert [each["anchors"] for each in judged] == [["x"], ["upside_down"], ["x", "upside_down"]]
    assert [each["tau"]["resnet50"] for each in judged[:2]] == pytest.approx([1.0, -1.0])
    assert [each["seconds"] for each in judged] == [2.0, 3.0, 5.0]


class _Trainer:
    """Trains nothing; keeps the side of the images of each layer that would be trained."""

    sides: list[int] = []

    def __init__(self, anchor, images, settings, seed, norm_act=None):
        self.side = images.train.images.shape[1]

    def start(self, graph):
        self.sides.append(self.side)

    def train(self, first, last):
        return True

    def accuracy(self, images):
        assert images.images.shape[1] == self.side
        return 0.5


def test_what_the_file_lacks_is_trained_on_images_of_the_configured_size(tmp_path, monkeypatch):
    monkeypatch.setattr(anchor_trainer, "AnchorTrainer", _Trainer)
    monkeypatch.setattr(_Trainer, "sides", [])
    monkeypatch.setattr(fidelity, "LAYERS", ("bn_relu", "silu"))
    sized = ["evaluation.image_size=12", "evaluation.anchors=resnet_small"]
    config = preset("smoke").override(sized)
    first = fidelity.measure(config, 1, tmp_path / "scores.json")
    assert _Trainer.sides == [12, 12] and list(first.scores) == ["bn_relu", "silu"]
    again = fidelity.measure(config, 2, tmp_path / "scores.json")
    assert len(_Trainer.sides) == 4 and list(again.scores["silu"]) == ["0", "1"]
    assert again.scores["silu"]["0"] == first.scores["silu"]["0"]
