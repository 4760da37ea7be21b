"""Which runs a test is part of; CONTRIBUTING.md says what belongs where.

A test without a mark runs every day, a `slow` one from the pull request on, a `nightly` one at
night alone. A test of the layers runs in three environments, with the mark `one_environment` in
the everyday one alone.
"""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def tiered(
    cases: Iterable[Any], everyday: Collection[Any] = (), slow: Collection[Any] | None = None
) -> list[Any]:
    """Parameters with marks; a case is a value, or a tuple of values.

    Args:
      cases: all of them.
      everyday: those without a mark.
      slow: those with the mark `slow`; all others are `nightly`. None: all others are `slow`.
    """
    cases = list(cases)
    unknown = [case for case in [*everyday, *(slow or ())] if case not in cases]
    assert not unknown, f"not among the cases: {unknown}"

    def mark(case):
        if case in everyday:
            return ()
        return pytest.mark.slow if slow is None or case in slow else pytest.mark.nightly

    return [pytest.param(*_values(case), marks=mark(case)) for case in cases]


def everywhere(cases: Iterable[Any], chosen: Collection[Any]) -> list[Any]:
    """Parameters of which the chosen run in all environments, the others in the everyday one.

    Args:
      cases: values, tuples of values, or what `tiered` has made of them.
      chosen: the values, or tuples of values.
    """
    chosen = [_values(case) for case in chosen]

    def marks(case):
        here = () if _values(case) in chosen else (pytest.mark.one_environment,)
        return [*getattr(case, "marks", ()), *here]

    return [pytest.param(*_values(case), marks=marks(case)) for case in cases]


def _values(case):
    if hasattr(case, "marks"):
        return tuple(case.values)
    return case if isinstance(case, tuple) else (case,)
