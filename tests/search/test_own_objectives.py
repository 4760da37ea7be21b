"""Objectives of a user's own, and how their scores are checked, stored and shown."""

import dataclasses
import json
import re

import numpy as np
import pytest

import evonorm_tf as en
from search import export, final, report, score_format
from search.errors import SearchError
from search.evaluation import objective
from search.evaluation.anchor_trainer import AnchorTrainer
from search.evaluation.evaluator import Evaluator
from search.evaluation.exchangeable_layer import ExchangeableLayer
from search.evaluation.outcome import ScoreTask, StageResult
from search.examples import objectives
from search.presets import preset
from search.workers import messages
from tests.search import own_data, synthetic_run
from tests.search.test_own_runs import SMOKE, make_run, refused
from trainers import data

SETTINGS = dataclasses.replace(preset("smoke").evaluation, steps=6, quality_steps=3)
(ANCHOR,) = SETTINGS.anchors
MODULE = """
def score(trained, split):
    return 100 * trained.accuracy(split) - 1000

def fails(trained, split):
    raise KeyError("width")

def text(trained, split):
    return "high"

def nothing(trained, split):
    return None

def nan(trained, split):
    return float("nan")

def one_argument(trained):
    return 1.0

def nan_later(trained, split):
    return 0.5 if trained.settings.steps == 1 else float("nan")
"""


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def trainer(digits):
    trainer = AnchorTrainer(ANCHOR, digits, SETTINGS, seed=0)
    trainer.start(en.registry.graph("evonorm_b0"))
    assert trainer.train(0, 6)
    return trainer


@pytest.fixture
def module(tmp_path, monkeypatch):
    return own_data.write_module(tmp_path, monkeypatch, MODULE, "objective_module")


@pytest.mark.parametrize("name", ["evonorm_b0", "rs_rej"])
def test_a_standalone_model_computes_the_same(trainer, digits, name):
    trainer.start(en.registry.graph(name))
    trainer.train(0, 3)
    model, x = objective.Trained(trainer).standalone(), trainer.prepared(digits.validation.images)
    assert not any(isinstance(layer, ExchangeableLayer) for layer in model._flatten_layers())
    expected = trainer.model(x, training=False).numpy()
    assert np.ptp(expected) > 0.1
    scale = np.abs(expected).max()
    np.testing.assert_allclose(model(x, training=False), expected, atol=1e-5 * scale)


def test_a_training_again_with_other_settings(trainer, digits):
    trained = objective.Trained(trainer)
    plain = AnchorTrainer(ANCHOR, digits, dataclasses.replace(SETTINGS, batch_size=2), seed=0)
    trainer.start(en.registry.graph("evonorm_s0"))
    before = trainer.model.get_weights()
    other = trained.again(batch_size=2)
    plain.start(en.registry.graph("evonorm_s0"))
    plain.train(0, 6)
    for one, same in zip(other.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, same, atol=1e-6)
    for one, same in zip(trainer.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, same)
    assert trained.again(batch_size=2).model is other.model  # traced once
    with pytest.raises(TypeError, match="batchsize"):
        trained.again(batchsize=2)


def test_the_loss_is_that_of_the_logits(trainer, digits):
    trained, split = objective.Trained(trainer), digits.validation
    logits = trainer.model(trained.inputs(split), training=False).numpy().astype(np.float64)
    log_sums = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
    expected = np.mean(logits[np.arange(len(split)), split.labels] - log_sums)
    assert objectives.negative_loss(trained, split) == pytest.approx(expected, rel=1e-5)


def test_the_worst_of_two_batch_sizes(trainer, digits):
    trainer.start(en.registry.graph("evonorm_s0"))
    trainer.train(0, 6)
    trained, split = objective.Trained(trainer), digits.validation
    both = [trained.accuracy(split), trained.again(batch_size=2).accuracy(split)]
    assert objectives.worst_batch_size(trained, split) == min(both)


def test_speed_costs_accuracy(trainer, digits):
    trained, split = objective.Trained(trainer), digits.validation
    assert objectives.accuracy_and_speed(trained, split) < trained.accuracy(split)


@pytest.mark.slow
def test_the_accuracy_of_an_int8_model(digits):
    settings = dataclasses.replace(SETTINGS, steps=60)
    trainer = AnchorTrainer(ANCHOR, digits, settings, seed=0)
    trainer.start(en.registry.graph("evonorm_s0"))
    trainer.train(0, 60)
    few = data.Split(digits.validation.images[:200], digits.validation.labels[:200])
    trained = objective.Trained(trainer)
    assert trained.accuracy(few) > 0.5
    assert objectives.int8_accuracy(trained, few) == pytest.approx(trained.accuracy(few), abs=0.05)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("fails", "calling fails raised KeyError: 'width'"),
        ("text", "the objective must return a number. Received: str"),
        ("nothing", "the objective must return a number. Received: NoneType"),
        ("nan", "must return a finite number. Received: nan from evonorm_b0 in mobilenet_v2_small"),
        ("one_argument", "calling one_argument raised TypeError: .*argument 'split'"),
        ("missing", "a function of the module objective_module. Received: 'missing'"),
    ],
)
def test_objectives_that_cannot_be_used(digits, module, function, message):
    name = f"{module}:{function}"
    with pytest.raises(SearchError, match=message) as error:
        objective.check(name, dataclasses.replace(SETTINGS, objective=name), digits)
    assert str(error.value).startswith(f"evaluation.objective cannot be '{name}': ")
    assert "\n" not in str(error.value)


def evaluator(digits, name, **settings):
    evaluation = dataclasses.replace(SETTINGS, objective=name, quality_ratio=0.0, **settings)
    return Evaluator(dataclasses.replace(preset("smoke"), evaluation=evaluation), digits)


def test_the_score_is_the_objective_and_the_quality_test_an_accuracy(digits, module):
    name = f"{module}:score"
    objective.check(name, dataclasses.replace(SETTINGS, objective=name), digits)
    layer = en.registry.graph("evonorm_s0").to_json()
    found = evaluator(digits, name, stability_test=False).evaluate(layer, True)
    assert found.status == "accepted" and -1000 <= found.fitness <= -900
    assert 0 <= found.stages["quality"]["accuracies"][ANCHOR] <= 1


def test_a_score_that_is_not_finite_rejects_a_layer(digits, module):
    layer = en.registry.graph("evonorm_s0").to_json()
    for rejects in (True, False):
        found = evaluator(digits, f"{module}:nan_later", stability_test=False)
        outcome = found.evaluate(layer, rejects)
        assert (outcome.status, outcome.reason, outcome.scores) == ("rejected", "diverged", None)
    assert found.score(ScoreTask(layer, ANCHOR, 1.0, 3, 0, None)) is None


REPORT = StageResult(None, {"a": -3.5}, {"seconds": 1.0})
DIVERGED = StageResult("diverged", None, {"seconds": 1.0})


def test_reports_with_scores_of_an_objective():
    graph = en.registry.graph("evonorm_s0").to_json()

    def decode(kind, result, name):
        sent = messages.encode(kind, (graph, True), result)
        return messages.decode(sent, kind, (graph, True), ("a",), name)

    assert decode("training", REPORT, "m:f") == ("ok", REPORT)
    assert decode("training", DIVERGED, None) == ("ok", DIVERGED)
    assert decode("score", None, "m:f") == ("ok", None)
    for kind, result in (("training", REPORT), ("score", None), ("score", -1.0)):
        with pytest.raises(messages.RefusedReportError, match="must be a number from 0"):
            decode(kind, result, None)
    infinite = json.dumps({"kind": "score", "layer": graph, "result": "r"}).replace('"r"', "1e999")
    with pytest.raises(messages.RefusedReportError, match="must be a finite number"):
        messages.decode(infinite.encode(), "score", (graph, True), ("a",), "m:f")


def test_layers_without_a_score_are_left_out_after_the_search():
    class Row:
        def __init__(self, number):
            self.id = number

    rows = [Row(1), Row(2), Row(3)]
    scores = {(1, "a", 0): 0.5, (2, "a", 0): None, (2, "b", 0): 1.0, (3, "a", 0): -2.0}
    assert [row.id for row in final._with_scores(rows, scores)] == [1, 3]


def test_how_scores_are_shown():
    accuracy, other = score_format.ScoreFormat(), score_format.ScoreFormat("m:f")
    assert (accuracy.text(0.815), accuracy.difference(-0.023)) == ("81.5%", "\N{MINUS SIGN}2.3")
    assert (other.text(-1234.5678), other.difference(0.01234)) == ("-1235", "+0.0123")
    assert accuracy.is_near_chance(0.1) and not other.is_near_chance(0.1)
    of_hundred = score_format.ScoreFormat(num_classes=100)
    assert of_hundred.is_near_chance(0.019) and not of_hundred.is_near_chance(0.1)


def test_a_report_shows_scores_as_numbers(tmp_path):
    settings = ["evaluation.objective=m:f"]
    folder = synthetic_run.write_run(tmp_path / "run", 40, overrides=settings)
    report.write(folder)
    text = (folder / "report.html").read_text()
    page = re.sub(r"<(style|svg).*?</\1>", "", text, flags=re.S)
    assert "Score by m:f, higher is better" in page and "Score on each anchor" in page
    shown = page[: page.index('id="run"')]
    assert not re.search(r"%|percent|Accuracy|validation accuracy|near chance", shown)
    exported = export.export(folder, 1, None, False)
    assert "Validation score in the search: " in exported.text and "%" not in exported.text


def test_an_objective_is_imported_only_if_it_is_named_again(capsys, tmp_path, monkeypatch, module):
    line = refused(capsys, "run", "--run-dir", tmp_path / "run", *SMOKE, "--set",
                   "evaluation.objective=score")  # fmt: skip
    assert "evaluation.objective cannot be 'score': it is module:function" in line
    name = f"{module}:score"
    folder = make_run(tmp_path / "run", monkeypatch, f"evaluation.objective={name}")
    line = refused(capsys, "resume", "--run-dir", folder)
    assert f"the run imports what '{name}' names. If you trust it, repeat it: --trust" in line
    (tmp_path / f"{module}.py").write_text(f"{MODULE}# changed\n")
    line = refused(capsys, "resume", "--run-dir", folder, "--trust", name)
    assert f"'{name}' has changed since the run was made" in line
