"""`Watch`: the running tasks with their hosts and times; finds stragglers and stuck tasks."""

import statistics
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any

from search.workers.pool import Cluster

# A straggler takes more than this multiple of the median of its stage's recent durations, of which
# there must be at least `_LEAST_KNOWN`.
_STRAGGLES = 3.0
_RECENT = 200
_LEAST_KNOWN = 5
_RATE_SECONDS = 600.0
_MOST_SHOWN = 10


class Watch:
    """Records the start and the end of each task.

    Args:
      clock: returns seconds.

    Attributes:
      lost: number of tasks that were lost with their machine.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._since = clock()
        self._running: dict[int, tuple[Any, str, str, float]] = {}
        self._seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._ended: deque[tuple[float, str]] = deque()
        self.lost = 0

    def start(self, key: int, tag: Any, stage: str, host: str) -> None:
        """Records that a worker has begun a task.

        Args:
          key: a key that only this task has.
          tag: the tag of the pool; its first item is the candidate.
          stage: the stage, such as "training".
          host: host of the worker.
        """
        self._running[key] = (tag[0], stage, host, self._clock())

    def end(self, key: int, finished: bool) -> None:
        """Records the end of a task; `finished` says whether it ended with a report."""
        if key not in self._running:
            return
        _, stage, host, start = self._running.pop(key)
        if finished:
            now = self._clock()
            self._seconds[stage].append(now - start)
            self._ended.append((now, host))

    def overdue(self, limit: Callable[[str], float]) -> set[int]:
        """Keys of the tasks that run for longer than the limit of their stage, in seconds."""
        now = self._clock()
        return {
            key for key, (_, stage, _, start) in self._running.items() if now - start > limit(stage)
        }

    def figures(self, nodes: int, cpus: float, in_flight: int) -> Cluster:
        """All figures; the arguments are those that the cluster and the pool count."""
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
