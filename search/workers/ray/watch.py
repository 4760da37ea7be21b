"""`Watch`: which tasks run where and for how long; finds stragglers and stuck tasks."""

import statistics
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any

from search.workers.pool import Cluster

# A straggler takes this multiple of its stage's median over the most recent durations, once there
# are at least `_LEAST_KNOWN` of them.
_STRAGGLES = 3.0
_RECENT = 200
_LEAST_KNOWN = 5
_RATE_SECONDS = 600.0
_MOST_SHOWN = 10


class Watch:
    """Keeps the start and end of each task.

    Args:
      clock: returns seconds.

    Attributes:
      lost: tasks that were lost with their machine.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._since = clock()
        self._running: dict[int, tuple[Any, str, str, float]] = {}
        self._seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._ended: deque[tuple[float, str]] = deque()
        self.lost = 0

    def start(self, key: int, tag: Any, stage: str, host: str) -> None:
        """Notes that a worker has begun a task.

        Args:
          key: of this task alone.
          tag: of the pool; its first item is the candidate.
          stage: such as "training".
          host: where the worker is.
        """
        self._running[key] = (tag[0], stage, host, self._clock())

    def end(self, key: int, finished: bool) -> None:
        """Notes that a task has ended; `finished`: with a report."""
        if key not in self._running:
            return
        _, stage, host, start = self._running.pop(key)
        if finished:
            now = self._clock()
            self._seconds[stage].append(now - start)
            self._ended.append((now, host))

    def overdue(self, limit: Callable[[str], float]) -> set[int]:
        """Keys of the tasks whose stage has run for longer than its limit in seconds."""
        now = self._clock()
        return {
            key for key, (_, stage, _, start) in self._running.items() if now - start > limit(stage)
        }

    def figures(self, nodes: int, cpus: float, in_flight: int) -> Cluster:
        """The figures, with those that the cluster and the pool know."""
        running = len(self._running)
        return Cluster(
            nodes, cpus, running, in_flight - running, self._rates(), self._stragglers(), self.lost
        )

    def _rates(self) -> dict[str, float]:
        now = self._clock()
        while self._ended and now - self._ended[0][0] > _RATE_SECONDS:
            self._ended.popleft()
        minutes = max(min(now - self._since, _RATE_SECONDS), 1.0) / 60
        counts = Counter(host for _, host in self._ended)
        return {host: count / minutes for host, count in counts.most_common()}

    def _stragglers(self) -> tuple[tuple[int, str, str, float], ...]:
        now = self._clock()
        usual = {
            stage: statistics.median(seconds)
            for stage, seconds in self._seconds.items()
            if len(seconds) >= _LEAST_KNOWN
        }
        late = [
            (number, stage, host, now - start)
            for number, stage, host, start in self._running.values()
            if stage in usual and now - start > _STRAGGLES * usual[stage]
        ]
        return tuple(sorted(late, key=lambda one: -one[3])[:_MOST_SHOWN])
