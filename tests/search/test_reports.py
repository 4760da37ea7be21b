"""Reports of broken and of malicious workers are refused, whatever is wrong with them."""

import json
import pickle

import pytest

from evonorm_tf import registry
from search.evaluation.evaluator import ScoreTask
from search.evaluation.outcome import StageResult, outcome_of
from search.workers import messages as reports

ANCHORS = ("first", "second")
GRAPH = registry.graph("evonorm_s0").to_json()
OTHER = registry.graph("evonorm_b0").to_json()
SCORES = {"first": 0.5, "second": 0.75}
ARGUMENTS = (GRAPH, True)
STAGES = {
    "quality": StageResult(None, None, {"seconds": 1.0, "accuracies": {"first": 0.3}}),
    "stability": StageResult(None, None, {"seconds": 2.0, "norms": {"first": None}}),
    "training": StageResult(None, SCORES, {"seconds": 4.0}),
}
OUTCOME = outcome_of(STAGES)


def _decode(data, kind="evaluate", arguments=ARGUMENTS):
    return reports.decode(data, kind, arguments, ANCHORS)


@pytest.mark.parametrize(
    ("kind", "arguments", "result"),
    [
        ("evaluate", ARGUMENTS, OUTCOME),
        *((name, ARGUMENTS, result) for name, result in STAGES.items()),
        ("probe", (GRAPH,), {"reason": None, "fingerprint": "ab", "seconds": 0.1}),
        ("probe", (GRAPH,), {"reason": "constant", "fingerprint": None, "seconds": 0.1}),
        ("score", (ScoreTask("frn", "first", 1.0, 9, 0, None),), 0.25),
    ],
)
def test_good_reports_are_read_back(kind, arguments, result):
    assert _decode(reports.encode(kind, arguments, result), kind, arguments) == ("ok", result)


def test_stages_make_up_the_outcome():
    assert (OUTCOME.status, OUTCOME.reason, OUTCOME.scores) == ("accepted", None, SCORES)
    assert (OUTCOME.fitness, OUTCOME.seconds) == (0.625, 7.0)
    failed = {**STAGES, "stability": StageResult("stability", None, {"seconds": 2.0})}
    del failed["training"]
    assert (outcome_of(failed).status, outcome_of(failed).reason) == ("rejected", "stability")


def test_an_error_is_the_evaluation_s():
    assert _decode(reports.encode_error("ValueError: no")) == ("error", "ValueError: no")


def test_a_result_that_is_not_finite_is_no_report():
    with pytest.raises(ValueError, match="not JSON compliant"):
        reports.encode("score", ("frn",), float("nan"))


def _changed(**fields):
    report = json.loads(reports.encode("evaluate", ARGUMENTS, OUTCOME))
    report["result"].update(fields)
    return json.dumps(report).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (reports.MAX_BYTES + 1), "not JSON of at most"),
        (b"\xff\xfe", "not JSON"),
        (pickle.dumps(OUTCOME), "not JSON"),
        (b'{"kind": "evaluate"}', "must have kind, layer, result"),
        (b'{"error": 7}', "the error must be a text"),
        (reports.encode("quality", ARGUMENTS, STAGES["quality"]), "on quality, not on evaluate"),
        (reports.encode("evaluate", (OTHER, True), OUTCOME), "another layer"),
        (reports.encode("evaluate", ("{}", True), OUTCOME), "graph is not valid"),
        (reports.encode("evaluate", (7, True), OUTCOME), "graph is not valid"),
        (_changed(fitness=float("nan")), "not finite: NaN"),
        (_changed(scores={"first": float("inf"), "second": 0.5}), "not finite: Infinity"),
        (_changed().replace(b"0.75", b"1e999"), "score of second must be a number"),
        (_changed(scores={"first": 0.5}), "scores are not those of first, second"),
        (_changed(scores={**SCORES, "third": 0.5}), "scores are not those of"),
        (_changed(scores=None), "scores are not those of"),
        (_changed(scores={"first": 0.5, "second": 1.5}), "is no accuracy: 1.5"),
        (_changed(scores={"first": True, "second": 0.5}), "must be a number from 0"),
        (_changed(scores={"first": "1", "second": 0.5}), "must be a number from 0"),
        (_changed(status="baseline"), "unknown end"),
        (_changed(status="rejected", reason="constant", scores=None), "unknown end"),
        (_changed(status="rejected", reason="quality"), "unknown end"),
        (_changed(reason="quality"), "an accepted layer has no reason"),
        (_changed(seconds=-1), "seconds must be a number from 0"),
        (_changed(stages=[]), "figures must be an object"),
        (_changed(stages={"quality": {"seconds": "x"}}), "seconds must be a number"),
        (_changed(graph=OTHER), "nothing else"),
    ],
)
def test_what_cannot_be_right_is_refused(data, message):
    with pytest.raises(reports.RefusedReportError, match=message):
        _decode(data)


def test_the_fitness_is_computed_here():
    kind, outcome = _decode(_changed(fitness=1.0))
    assert (kind, outcome.fitness) == ("ok", 0.625)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"reason": None, "fingerprint": None, "seconds": 1}, "either a reason or a fingerprint"),
        ({"reason": "quality", "fingerprint": None, "seconds": 1}, "unknown reason quality"),
        ({"reason": None, "fingerprint": "a" * 400, "seconds": 1}, "a text of at most"),
    ],
)
def test_probes_are_checked(result, message):
    with pytest.raises(reports.RefusedReportError, match=message):
        _decode(reports.encode("probe", (GRAPH,), result), "probe", (GRAPH,))
