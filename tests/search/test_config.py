"""The configuration refuses what it does not know and survives JSON."""

import dataclasses
import json

import pytest

from search import config, presets
from search.errors import SearchError
from trainers.models.anchors import ANCHORS


@pytest.mark.parametrize("name", presets.PRESETS)
def test_presets_survive_json_and_name_real_anchors(name):
    preset = presets.preset(name)
    assert preset.preset == name
    assert config.Config.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
    assert set(preset.evaluation.anchors) <= set(ANCHORS)


def test_the_paper_values():
    b, s = presets.preset("paper-b"), presets.preset("paper-s")
    assert (b.space.num_nodes, b.method.window, b.method.tournament_fraction) == (10, 2500, 0.05)
    assert (b.method.mutations, b.method.fresh_fraction, b.method.criterion) == (2, 0.5, "pareto")
    assert (b.evaluation.quality_steps - b.evaluation.warmup_steps) == 100
    assert b.evaluation.quality_ratio == 2.0
    assert (b.evaluation.stability_steps, b.evaluation.stability_limit) == (100, 1e8)
    assert (b.evaluation.steps, b.evaluation.schedule) == (2000, "constant")
    assert (s.evaluation.steps, s.evaluation.schedule) == (5000, "cosine")
    assert (b.space.batch_independent, s.space.batch_independent) == (False, True)
    for preset in (b, s):
        exact = presets.preset(f"{preset.preset}-exact")
        assert (exact.method.renewal, exact.evaluation.free_rejections) == (False, False)
        assert (
            exact.override(
                [
                    f"preset={preset.preset}",
                    "method.renewal=true",
                    "evaluation.free_rejections=true",
                ]
            )
            == preset
        )
    ours = (b.method.skip_neutral, b.evaluation.equivalence_affine, b.evaluation.reject_signal)
    assert not any(ours)
    assert dataclasses.replace(s.evaluation, steps=2000, schedule="constant") == b.evaluation


def test_overrides_reach_their_fields():
    changed = presets.preset("demo").override(
        [
            "method.seed=7",
            "method.max_minutes=none",
            "evaluation.anchors=resnet_small",
            "evaluation.equivalence_cache=false",
            "baselines=bn_relu,frn",
            "evaluation.learning_rate=1",
        ]
    )
    assert (changed.method.seed, changed.method.max_minutes) == (7, None)
    assert changed.evaluation.anchors == ("resnet_small",)
    assert changed.evaluation.equivalence_cache is False
    assert changed.baselines == ("bn_relu", "frn")
    assert changed.evaluation.learning_rate == 1.0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("method.sed=1", "known field. Received: 'method.sed=1'"),
        ("method.seed", "known field. Received: 'method.seed'"),
        ("seed.method.x=1", "known field"),
        ("method.seed=-1", "method.seed cannot be -1: it is a number from 0"),
        ("method.seed=1.5", "method.seed cannot be 1.5"),
        ("method.criterion=best", "it is one of pareto, average"),
        ("method.fresh_fraction=2", "cannot be 2: it is a number from 0 to 1"),
        ("evaluation.quality_test=1", "evaluation.quality_test cannot be 1"),
        ("workers=0", "workers cannot be 0"),
    ],
)
def test_bad_overrides_are_refused(setting, message):
    with pytest.raises(SearchError) as caught:
        presets.preset("demo").override([setting])
    assert message in str(caught.value)


def test_an_unknown_preset_and_field_are_refused():
    with pytest.raises(SearchError, match="--preset must be one of demo, cifar-small,"):
        presets.preset("paper")
    with pytest.raises(SearchError, match=r"no field method\.speed"):
        config.Config.from_dict({"method": {"speed": 1}})
