"""The reports of workers as JSON, and the checks that they must pass.

A report names its task and the layer that was evaluated. Its numbers must be finite, and its scores
those of the configured anchors; the fitness is computed here. Nothing is unpickled. The checks are
written out, since most of them compare fields with each other or with the task.
"""

import dataclasses
import functools
import json
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from evonorm_tf.graph.layer_graph import LayerGraph
from search.evaluation.outcome import FREE_REASONS, TRAINED_REASONS, Outcome, StageResult
from search.workers.pool import Answer

MAX_BYTES = 200_000
# The message of a worker that could not start begins with this; JSON never does.
FATAL = b"fatal: "
_LONGEST_TEXT = 300
_REASONS = {"quality": ("quality",), "stability": ("stability",), "training": ("diverged",)}


class RefusedReportError(Exception):
    """A report that fails a check; the text says which one."""


def encode(kind: str, arguments: Sequence[Any], result: Any) -> bytes:
    """Encodes the report on a task, with its layer.

    Args:
      kind: the task's method of `Evaluator`.
      arguments: arguments of that method; the first is the layer, or a task with the layer.
      result: what the method returned, a dataclass or a JSON value.

    Raises:
      ValueError: for a number that is not finite.
    """
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = dataclasses.asdict(result)
    report = {"kind": kind, "layer": _layer(arguments), "result": result}
    return json.dumps(report, allow_nan=False).encode()


def encode_error(text: str) -> bytes:
    """Encodes the report of an evaluation that failed."""
    return json.dumps({"error": text[:_LONGEST_TEXT]}).encode()


def read_report(
    data: bytes,
    tag: Any,
    kind: str,
    arguments: Any,
    anchors: Any,
    host: str | None = None,
    objective: str | None = None,
) -> Answer:
    """The answer to a task, from the report on it; "refused" if the report fails a check."""
    try:
        return Answer(tag, *decode(data, kind, arguments, anchors, objective), host)
    except RefusedReportError as error:
        return Answer(tag, "refused", str(error), host)


def decode(
    data: bytes,
    kind: str,
    arguments: Sequence[Any],
    anchors: Sequence[str],
    objective: str | None = None,
) -> tuple[str, Any]:
    """Checks and decodes the report on a task.

    Args:
      data: the worker's message.
      kind: the task's method of `Evaluator`, as it was submitted.
      arguments: arguments of that method, as they were submitted.
      anchors: the networks that must have scores.
      objective: the configured one, whose scores are any finite numbers; None for accuracies.

    Returns:
      ("ok", result), or ("error", text) of an evaluation that failed.

    Raises:
      RefusedReportError: for anything but a report on this task.
    """
    report = _load(data)
    if set(report) == {"error"}:
        return "error", _text(report["error"], "the error")
    _expect_keys(report, {"kind", "layer", "result"}, "the report")
    if report["kind"] != kind:
        raise RefusedReportError(f"it reports on {_short(report['kind'])}, not on {kind}")
    _check_layer(report["layer"], _layer(arguments))
    return "ok", _CHECKS[kind](report["result"], anchors, objective is None)


def _layer(arguments: Sequence[Any]) -> str:
    return getattr(arguments[0], "layer", arguments[0])


def _check_layer(layer: Any, asked: str) -> None:
    if layer == asked:
        return
    try:
        LayerGraph.from_json(layer)
    except ValueError as error:
        raise RefusedReportError(f"its graph is not valid: {_short(error)}") from None
    raise RefusedReportError("it is about another layer than the one that was asked for")


def _load(data: bytes) -> dict[str, Any]:
    if not isinstance(data, bytes) or len(data) > MAX_BYTES:
        raise RefusedReportError(f"it is not JSON of at most {MAX_BYTES} bytes")
    try:
        report = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedReportError(f"it is not JSON: {_short(error)}") from None
    if not isinstance(report, dict):
        raise RefusedReportError("it is not a JSON object")
    return report


def _refuse_constant(name: str) -> None:
    raise RefusedReportError(f"it has a number that is not finite: {name}")


def _probe(result: Any, *_: Any) -> dict[str, Any]:
    _expect_keys(result, {"reason", "fingerprint", "seconds"}, "a probe's result")
    _number(result["seconds"], "seconds")
    reason, fingerprint = result["reason"], result["fingerprint"]
    if (reason is None) == (fingerprint is None):
        raise RefusedReportError("a probe has either a reason or a fingerprint")
    if reason not in (None, *FREE_REASONS):
        raise RefusedReportError(f"unknown reason {_short(reason)}")
    if fingerprint is not None:
        _text(fingerprint, "the fingerprint")
    return result


def _outcome(result: Any, anchors: Sequence[str], are_accuracies: bool) -> Outcome:
    _expect_keys(result, {field.name for field in dataclasses.fields(Outcome)}, "an outcome")
    scores = result["scores"]
    if result["status"] == "accepted":
        scores = _scores(scores, anchors, are_accuracies)
        if result["reason"] is not None:
            raise RefusedReportError("an accepted layer has no reason")
    elif result["status"] != "rejected" or result["reason"] not in TRAINED_REASONS or scores:
        end = f"{_short(result['status'])}, {_short(result['reason'])}"
        raise RefusedReportError(f"unknown end {end}")
    fitness = statistics.fmean(scores.values()) if scores else None
    seconds = _number(result["seconds"], "seconds")
    stages = _figures(result["stages"])
    return Outcome(result["status"], result["reason"], scores, fitness, stages, seconds)


def _stage(name: str, result: Any, anchors: Sequence[str], are_accuracies: bool) -> StageResult:
    _expect_keys(result, {field.name for field in dataclasses.fields(StageResult)}, "a stage")
    if result["reason"] not in (None, *_REASONS[name]):
        raise RefusedReportError(f"unknown reason {_short(result['reason'])}")
    is_scored = name == "training" and result["reason"] is None
    scores = _scores(result["scores"], anchors, are_accuracies) if is_scored else None
    _number(_figures(result["figures"]).get("seconds"), "seconds")
    return StageResult(result["reason"], scores, result["figures"])


def _scores(scores: Any, anchors: Sequence[str], are_accuracies: bool) -> dict[str, float]:
    if not isinstance(scores, dict) or set(scores) != set(anchors):
        raise RefusedReportError(f"its scores are not those of {', '.join(anchors)}")
    for anchor, score in scores.items():
        _score(score, f"the score of {anchor}", are_accuracies)
    return {anchor: scores[anchor] for anchor in anchors}


def _score(value: Any, name: str, is_accuracy: bool) -> float:
    if not is_accuracy:
        return _finite(value, name, "a finite number")
    if _number(value, name) > 1:
        raise RefusedReportError(f"{name} is no accuracy: {_short(value)}")
    return value


def _maybe_score(value: Any, _: Sequence[str], is_accuracy: bool) -> float | None:
    """A score after the search; None for an objective that was not finite."""
    return None if value is None and not is_accuracy else _score(value, "the score", is_accuracy)


def _number(value: Any, name: str) -> float:
    if _finite(value, name, "a number from 0") < 0:
        raise RefusedReportError(f"{name} must be a number from 0. Received: {_short(value)}")
    return value


def _finite(value: Any, name: str, rule: str) -> float:
    # 1e999 is valid JSON, but infinite.
    if type(value) not in (int, float) or not math.isfinite(value):
        raise RefusedReportError(f"{name} must be {rule}. Received: {_short(value)}")
    return value


def _figures(value: Any) -> dict[str, Any]:
    """Checks the nested figures of stages, which may be None (unknown) but must be finite."""
    if not isinstance(value, dict):
        raise RefusedReportError(f"figures must be an object. Received: {_short(value)}")
    for name, figure in value.items():
        if isinstance(figure, dict):
            _figures(figure)
        elif figure is not None:
            _number(figure, _short(name))
    return value


def _expect_keys(value: Any, keys: set[str], what: str) -> None:
    if not isinstance(value, dict) or set(value) != keys:
        raise RefusedReportError(f"{what} must have {', '.join(sorted(keys))} and nothing else")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise RefusedReportError(f"{name} must be a text of at most {_LONGEST_TEXT} characters")
    return value


def _short(value: Any) -> str:
    return str(value)[:80]


_CHECKS: dict[str, Callable[[Any, Sequence[str], bool], Any]] = {
    "probe": _probe,
    "evaluate": _outcome,
    **{name: functools.partial(_stage, name) for name in _REASONS},
    "score": _maybe_score,
}
