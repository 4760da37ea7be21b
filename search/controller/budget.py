"""`Budget`: the used share of a run's limits, including earlier sessions."""

import math
import time

from search.config import Method
from search.controller.ledger import Ledger


class Budget:
    """Compares the limits of the configuration's `method` with the ledger's counts.

    Args:
      method: the limits; None is no limit.
      ledger: the counts of genotypes.
      elapsed_before: seconds of earlier sessions.
    """

    def __init__(self, method: Method, ledger: Ledger, elapsed_before: float):
        self._method, self._ledger = method, ledger
        self._elapsed_before = elapsed_before
        self._start = time.monotonic()

    @property
    def session(self) -> float:
        """Seconds of this session."""
        return time.monotonic() - self._start

    @property
    def elapsed(self) -> float:
        """Seconds of all sessions."""
        return self._elapsed_before + self.session

    @property
    def is_bounded(self) -> bool:
        """Whether there is any limit."""
        method = self._method
        limits = method.max_candidates, method.max_evaluated, method.max_trained
        return any((*limits, method.max_minutes))

    def share_used(self) -> float:
        """The used share of the limit that is nearest; the search ends when it is at least 1."""
        ledger, trained = self._ledger, self._ledger.counts["accepted"]
        return share_used(self._method, ledger.sampled, ledger.evaluated, trained, self.elapsed)


def share_used(method: Method, sampled: int, evaluated: int, trained: int, elapsed: float) -> float:
    """The used share of the limit that is nearest, for these numbers of genotypes, and seconds."""
    minutes = method.max_minutes
    used_and_limits = (
        (sampled, method.max_candidates),
        (evaluated, method.max_evaluated),
        (trained, method.max_trained),
        (elapsed, None if minutes is None else max(60 * minutes, 1e-9)),
    )
    return max((used / limit for used, limit in used_and_limits if limit is not None), default=0)


def seconds_left(elapsed: float, share: float) -> float | None:
    """Seconds to the budget's end at the present pace; None while it is unknown."""
    if share <= 0:
        return None
    left = elapsed * (1 / share - 1)
    return max(left, 0.0) if math.isfinite(left) else None
