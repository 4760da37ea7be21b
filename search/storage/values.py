"""The values that a run's database may hold; SQLite itself accepts any value in any column.

A run folder may come from an untrusted source, so each row and each entry of `meta` is checked when
it is read. Text is also sanitized when it is printed, by `printable`.
"""

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from search.validation import rule, rule_error, violation

_LONGEST, _LONGEST_IN_ERRORS = 1000, 80


def _allow_null(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Adds "or NULL" to the rule in the error of a value."""
    try:
        return validate(value)
    except ValidationError as error:
        raise rule_error(f"{violation(error).rule} or NULL") from None


_OrNull = WrapValidator(_allow_null)
_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0), rule("a whole number from 0")]
Number: TypeAlias = Annotated[_Finite, rule("a finite number")]
Text: TypeAlias = Annotated[str, Field(strict=True), rule("text")]
Scores: TypeAlias = Annotated[dict[str, Number], rule("numbers by anchor")]
MaybeCount: TypeAlias = Annotated[Count | None, _OrNull]
MaybeNumber: TypeAlias = Annotated[Number | None, _OrNull]
MaybeText: TypeAlias = Annotated[Text | None, _OrNull]
MaybeScores: TypeAlias = Annotated[Scores | None, _OrNull]


class _Stage(BaseModel, defer_build=True):
    seconds: Number = 0.0
    accuracies: Scores = {}


def _is_stage(value: dict[str, Any]) -> dict[str, Any]:
    _Stage.model_validate(value)
    return value


def _same_lengths(lists: dict[str, list[float]]) -> dict[str, list[float]]:
    if len({len(values) for values in lists.values()}) != 1:
        raise ValueError("lists of different lengths")
    return lists


_StageFigures = Annotated[dict[str, Any], AfterValidator(_is_stage)]
_Stages = Annotated[dict[str, _StageFigures], rule("figures by stage")]
MaybeStages: TypeAlias = Annotated[_Stages | None, _OrNull]


class _Reranked(BaseModel, defer_build=True):
    id: Count
    mean: Number
    networks: Scores


_Accuracies = dict[str, Annotated[list[Number], Field(min_length=1)]]


class _Compared(BaseModel, defer_build=True):
    id: Count
    mean: Number
    name: MaybeText = None
    formula: MaybeText = None
    accuracies: Annotated[_Accuracies, AfterValidator(_same_lengths)]


class _Cluster(BaseModel, defer_build=True):
    nodes: Count
    cpus: Number
    running: Count
    waiting: Count
    lost: Count


class _Imported(BaseModel, defer_build=True):
    graph: Text
    source: Text


_COMPARED_RULE = "a list of layers with an accuracy for each seed"
_Places = dict[str, dict[Literal["searched", "affine", "kept"], list[Text]]]
_META: dict[str, Any] = {
    "config": Annotated[dict[str, Any] | None, rule("an object")],
    "created": MaybeNumber,
    "elapsed": MaybeNumber,
    "rerank": Annotated[list[_Reranked] | None, rule("a list of layers with numbers")],
    "comparison": Annotated[list[_Compared] | None, rule(_COMPARED_RULE)],
    "cluster": Annotated[_Cluster | None, rule("figures of a cluster")],
    "sources": Annotated[dict[str, MaybeText] | None, rule("a SHA-256 or NULL by source")],
    "num_classes": Annotated[Annotated[int, Field(ge=2)] | None, rule("a number of classes")],
    "imports": Annotated[list[_Imported] | None, rule("a list of graphs with their sources")],
    "places": Annotated[_Places | None, rule("names of layers by anchor")],
}


def meta_value(key: str, text: Any) -> Any:
    """The value of an entry of `meta`.

    Raises:
      ValueError: for text that is not JSON, or a value of a wrong type.
    """
    name = f"meta {key}"
    value = decoded(name, text)
    try:
        if key in _META:
            TypeAdapter(_META[key]).validate_python(value)
    except ValidationError as error:
        raise wrong_value(error, name) from None
    return value


def decoded(name: str, text: Any) -> Any:
    """The value of JSON text. Raises ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"{name} must be JSON text. Received: {_short(text)}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from None


def wrong_value(error: ValidationError, name: str | None = None) -> ValueError:
    """The one-line error of a value; the default of `name` is the field in the error."""
    found = violation(error)
    field = name or found.path[0]
    return ValueError(f"{field} must be {found.rule}. Received: {_short(found.value)}")


def printable(value: Any, longest: int = _LONGEST) -> str:
    """A stored value as text for a terminal, with question marks for control characters."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value))
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _short(value: Any) -> str:
    return printable(repr(value), _LONGEST_IN_ERRORS)
