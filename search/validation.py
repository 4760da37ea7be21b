"""Types for pydantic whose errors are a rule in our own words, fit for one line."""

from typing import Annotated, Any, NamedTuple

from pydantic import ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

_UNKNOWN_FIELD = "unexpected_keyword_argument"


class Violation(NamedTuple):
    """The first error of a validation.

    Attributes:
      path: names from the outermost value to the wrong one.
      value: the wrong value.
      rule: what it must be; "" where its type has no rule of our own.
      is_unknown: whether the path ends in a field that does not exist.
    """

    path: tuple[int | str, ...]
    value: Any
    rule: str
    is_unknown: bool


def ruled(kind: Any, rule: str) -> Any:
    """The type `kind`, whose error is `rule` for anything wrong with the value or inside it."""

    def check(value, validate):
        try:
            return validate(value)
        except ValidationError:
            raise PydanticCustomError("rule", "{rule}", {"rule": rule}) from None

    return Annotated[kind, WrapValidator(check)]


def violation(error: ValidationError) -> Violation:
    """What the error is about."""
    first = error.errors(include_url=False)[0]
    rule = first["msg"] if first["type"] == "rule" else ""
    return Violation(first["loc"], first["input"], rule, first["type"] == _UNKNOWN_FIELD)
