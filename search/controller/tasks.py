"""`Tasks`: the candidates in the pool, their stages, and the number of their attempts."""

from collections import Counter
from typing import Any

from search.workers.pool import Answer, Pool

# After this many lost workers the candidate itself is considered the cause.
_ATTEMPTS = 3


class Tasks:
    """The tasks in flight of one pool."""

    def __init__(self, pool: Pool):
        self._pool = pool
        self._in_flight: dict[int, str] = {}
        self._attempts: Counter[int] = Counter()

    def submit(self, number: int, stage: str, *arguments: Any) -> None:
        """Submits a stage of a candidate; for the pool, an audit is an evaluation."""
        self._in_flight[number] = stage
        self._pool.submit((number, stage), "evaluate" if stage == "audit" else stage, *arguments)

    def end(self, answer: Answer) -> bool:
        """Ends the task of an answer; False for an answer without a task in flight."""
        number, stage = answer.tag
        if self._in_flight.get(number) != stage:
            return False
        del self._in_flight[number]
        return True

    def may_retry(self, number: int) -> bool:
        """Counts a lost task, and returns whether its candidate gets another attempt."""
        self._attempts[number] += 1
        return self._attempts[number] < _ATTEMPTS

    def forget(self, number: int) -> None:
        """Forgets the attempts of a candidate that has its verdict."""
        self._attempts.pop(number, None)
