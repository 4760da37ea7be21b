"""Which values a run's database may hold: SQLite keeps whatever it is given.

A run folder can come from anyone, so each row and each entry of `meta` is checked where it is
read. Text is not believed either: `printable` is for what goes to a terminal.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

# Columns that hold JSON.
JSON_COLUMNS = ("scores", "stages")
_LONGEST, _LONGEST_IN_ERRORS = 1000, 80
Check = Callable[[Any], bool]


def row_values(values: dict[str, Any]) -> dict[str, Any]:
    """A row's values, with `JSON_COLUMNS` decoded.

    Raises:
      ValueError: for a value of another type than its column's, or an accepted layer
        without fitness.
    """
    try:
        for column in JSON_COLUMNS:
            if values[column] is not None:
                values[column] = _decoded(column, values[column])
        for column, rule in _COLUMNS.items():
            _expect(column, rule, values[column])
        if values["status"] == "accepted" and values["fitness"] is None:
            raise ValueError("it is accepted and has no fitness")
    except ValueError as error:
        raise ValueError(f"candidate {printable(values['id'])}: {error}") from None
    return values


def meta_value(key: str, text: Any) -> Any:
    """The value of an entry of `meta`. Raises ValueError as `row_values` does."""
    name = f"meta {key}"
    value = _decoded(name, text)
    if key in _META:
        _expect(name, _META[key], value)
    return value


def _decoded(name: str, text: Any) -> Any:
    """JSON text's value. Raises ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"{name} must be JSON text. Received: {_short(text)}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from None


def printable(value: Any, longest: int = _LONGEST) -> str:
    """A stored value for a terminal: what would control it becomes a question mark."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value))
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _expect(name: str, rule: tuple[str, Check], value: Any) -> None:
    what, check = rule
    if not check(value):
        raise ValueError(f"{name} must be {what}. Received: {_short(value)}")


def _short(value: Any) -> str:
    return printable(repr(value), _LONGEST_IN_ERRORS)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_scores(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _is_stages(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_stage, value.values()))


def _is_stage(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return _is_number(value.get("seconds", 0.0)) and _is_scores(value.get("accuracies", {}))


def _entries(**checks: Check) -> Check:
    """For lists of objects with such fields, or None."""

    def is_entry(entry):
        return isinstance(entry, Mapping) and all(
            check(entry.get(name)) for name, check in checks.items()
        )

    return _or_none(lambda value: isinstance(value, list) and all(map(is_entry, value)))


def _is_accuracies(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    lists = list(value.values())
    return all(
        isinstance(found, list) and len(found) == len(lists[0]) > 0 and all(map(_is_number, found))
        for found in lists
    )


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_COUNT = "a whole number from 0", _is_count
_NUMBER = "a finite number", _is_number
_TEXT = "text", _is_text


def _optional(rule: tuple[str, Check]) -> tuple[str, Check]:
    return f"{rule[0]} or NULL", _or_none(rule[1])


_COLUMNS: dict[str, tuple[str, Check]] = {
    "id": _COUNT,
    "origin": _TEXT,
    "parent": _optional(_COUNT),
    "name": _optional(_TEXT),
    "graph": _optional(_TEXT),
    "formula": _optional(_TEXT),
    "fingerprint": _optional(_TEXT),
    "status": _TEXT,
    "reason": _optional(_TEXT),
    "duplicate_of": _optional(_COUNT),
    "scores": _optional(("numbers by anchor", _is_scores)),
    "fitness": _optional(_NUMBER),
    "stages": _optional(("figures by stage", _is_stages)),
    "seconds": _optional(_NUMBER),
    "host": _optional(_TEXT),
    "created": _NUMBER,
    "finished": _optional(_NUMBER),
}
_META: dict[str, tuple[str, Check]] = {
    "config": ("an object", _or_none(lambda value: isinstance(value, dict))),
    "created": _optional(_NUMBER),
    "elapsed": _optional(_NUMBER),
    "rerank": (
        "a list of layers with numbers",
        _entries(id=_is_count, mean=_is_number, networks=_is_scores),
    ),
    "comparison": (
        "a list of layers with an accuracy for each seed",
        _entries(
            id=_is_count,
            mean=_is_number,
            name=_or_none(_is_text),
            formula=_or_none(_is_text),
            accuracies=_is_accuracies,
        ),
    ),
}
