"""Errors of pydantic in one line, with a rule in our own words."""

from typing import Any, NamedTuple

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

_UNKNOWN_FIELD = "unexpected_keyword_argument"


class Violation(NamedTuple):
    """The first error of a validation.

    Attributes:
      path: names from the outermost value to the wrong one.
      value: the wrong value.
      rule: what the value must be; "" for a type without a rule of our own.
      is_unknown: whether the path ends in a field that does not exist.
    """

    path: tuple[int | str, ...]
    value: Any
    rule: str
    is_unknown: bool


def rule(text: str) -> WrapValidator:
    """Makes `text` the error of an annotated type, for anything wrong with the value or in it."""

    def check(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise rule_error(text) from None

    return WrapValidator(check)


def rule_error(text: str) -> PydanticCustomError:
    """The error of a value that breaks the rule `text`."""
    return PydanticCustomError("rule", "{rule}", {"rule": text})


def violation(error: ValidationError) -> Violation:
    """The first error of a `ValidationError`."""
    first = error.errors(include_url=False)[0]
    rule = first["msg"] if first["type"] == "rule" else ""
    return Violation(first["loc"], first["input"], rule, first["type"] == _UNKNOWN_FIELD)
