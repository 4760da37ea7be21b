"""Which values a run's database may hold: SQLite keeps any value in any column.

A run folder can come from anyone, so each row and each entry of `meta` is checked where it is
read. Text is checked again where it is shown: `printable` is for what goes to a terminal.
"""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from search.validation import ruled, violation

_LONGEST, _LONGEST_IN_ERRORS = 1000, 80


def _column(kind: Any, rule: str) -> tuple[Any, Any]:
    """The type of a column, and of one that may be NULL."""
    return ruled(kind, rule), ruled(kind | None, f"{rule} or NULL")


_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count, MaybeCount = _column(Annotated[int, Field(strict=True, ge=0)], "a whole number from 0")
Number, MaybeNumber = _column(_Finite, "a finite number")
Text, MaybeText = _column(Annotated[str, Field(strict=True)], "text")
Scores, MaybeScores = _column(dict[str, Number], "numbers by anchor")


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
_, MaybeStages = _column(dict[str, _StageFigures], "figures by stage")


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


_COMPARED_RULE = "a list of layers with an accuracy for each seed"
_META = {
    "config": ruled(dict[str, Any] | None, "an object"),
    "created": MaybeNumber,
    "elapsed": MaybeNumber,
    "rerank": ruled(list[_Reranked] | None, "a list of layers with numbers"),
    "comparison": ruled(list[_Compared] | None, _COMPARED_RULE),
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
    """The one-line error of a value; its name is the error's own by default."""
    found = violation(error)
    name = name or found.path[0]
    return ValueError(f"{name} must be {found.rule}. Received: {_short(found.value)}")


def printable(value: Any, longest: int = _LONGEST) -> str:
    """A stored value for a terminal: control characters become question marks."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value))
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _short(value: Any) -> str:
    return printable(repr(value), _LONGEST_IN_ERRORS)
