"""`Tasks`: which candidate is in the pool, at which stage, and how often it was tried."""

from collections import Counter
from typing import Any

from search.workers.pool import Answer, Pool

# A candidate that is lost with its worker this often is what kills the worker.
_ATTEMPTS = 3


class Tasks:
    """The tasks in flight of one pool."""

    def __init__(self, pool: Pool):
        self._pool = pool
        self._in_flight: dict[int, str] = {}
        self._attempts: Counter[int] = Counter()

    def submit(self, number: int, stage: str, *arguments: Any) -> None:
        """Submits a candidate's stage; an audit is an evaluation by another name."""
        self._in_flight[number] = stage
        self._pool.submit((number, stage), "evaluate" if stage == "audit" else stage, *arguments)

    def end(self, answer: Answer) -> bool:
        """Ends the task of an answer; False for an answer that no task in flight asked for."""
        number, stage = answer.tag
        if self._in_flight.get(number) != stage:
            return False
        del self._in_flight[number]
        return True

    def may_retry(self, number: int) -> bool:
        """Counts a lost task; whether its candidate gets another attempt."""
        self._attempts[number] += 1
        return self._attempts[number] < _ATTEMPTS

    def forget(self, number: int) -> None:
        """Drops the attempts of a candidate that has a verdict."""
        self._attempts.pop(number, None)
