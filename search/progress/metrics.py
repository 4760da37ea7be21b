"""The search's figures as Prometheus metrics, which Ray exports with its own on every node."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from search.progress.events import Event, Progress
from search.workers.pool import Cluster

_SECONDS_BETWEEN = 5.0
# Name, description, and the label of its values if it has several.
_GAUGES = (
    ("genotypes", "Genotypes of each status.", "status"),
    ("rejected", "Rejected and failed genotypes of each reason.", "reason"),
    ("best_fitness", "Highest fitness so far.", None),
    ("tasks", "Tasks that run, and that wait for CPUs.", "state"),
    ("nodes", "Nodes that are alive.", None),
    ("stragglers", "Running tasks that take far longer than usual.", None),
    ("lost_tasks", "Tasks that were lost with their node.", None),
    ("refused_reports", "Reports of workers that failed their checks.", None),
    ("tasks_per_minute", "Tasks finished a minute, by host.", "host"),
)


class Metrics:
    """Passes every event on, and sets the gauges every few seconds.

    Args:
      progress: receives every event too.
      clock: returns seconds.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic):
        self._progress, self._clock = progress, clock
        self._gauges: dict[str, Any] = {}
        self._due = clock()

    def update(self, event: Event) -> None:
        """Passes an event on; every few seconds, exports its figures as metrics."""
        self._progress.update(event)
        if event.cluster is not None and self._clock() >= self._due:
            self._due = self._clock() + _SECONDS_BETWEEN
            self._export(values(event, event.cluster))

    def close(self) -> None:
        """Closes the progress that receives the events."""
        self._progress.close()

    def _export(self, figures: Mapping[str, Any]) -> None:
        from ray.util.metrics import Gauge

        for name, text, tag in _GAUGES:
            if name not in self._gauges:
                keys = () if tag is None else (tag,)
                self._gauges[name] = Gauge(f"evonorm_search_{name}", text, tag_keys=keys)
            gauge, value = self._gauges[name], figures[name]
            for label, number in value.items() if tag else ((None, value),):
                gauge.set(number, tags=None if tag is None else {tag: label})


def values(event: Event, cluster: Cluster) -> dict[str, Any]:
    """The values of all gauges, from an event and the figures of its cluster."""
    return {
        "genotypes": event.counts,
        "rejected": event.reasons,
        "best_fitness": event.best.fitness if event.best else 0.0,
        "tasks": {"running": cluster.running, "waiting": cluster.waiting},
        "nodes": cluster.nodes,
        "stragglers": len(cluster.stragglers),
        "lost_tasks": cluster.lost,
        "refused_reports": event.refused,
        "tasks_per_minute": cluster.per_minute,
    }
