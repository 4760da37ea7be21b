"""Progress as lines, for files and pipes."""

import dataclasses
from typing import TextIO

from search.progress.events import Event, with_figures
from search.storage.graphs import formula_of
from search.workers.pool import Cluster

_SECONDS_BETWEEN_LINES = 60.0


class LogLines:
    """A line for each accepted candidate and each stage."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._figures = Event("started")

    def update(self, event: Event) -> None:
        """Writes a line for an accepted candidate, a stage, or a refused report."""
        event = self._figures = with_figures(event, self._figures)
        candidate = event.candidate
        if event.kind == "finished" and candidate is not None and candidate.status == "accepted":
            text = f"{candidate.fitness:.4f}  {candidate.name or formula_of(candidate)}"
        elif event.text:
            text = event.text
        else:
            return
        print(f"[{event.elapsed:7.1f} s, {event.sampled} sampled] {text}", file=self._stream)
        self._stream.flush()

    def close(self) -> None:
        """Does nothing: each line has been flushed."""


class RareLines(LogLines):
    """A line for each stage and each new best layer, and at least one a minute."""

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self._last = 0.0

    def update(self, event: Event) -> None:
        """Writes a line for a stage, a refused report or a new best layer, or after a minute."""
        event = with_figures(event, self._figures)
        if event.elapsed - self._last >= _SECONDS_BETWEEN_LINES and not event.text:
            super().update(dataclasses.replace(event, candidate=None, text=_summary(event)))
        elif event.text or _is_new_best(event):
            super().update(event)
        else:
            self._figures = event
            return
        self._last = event.elapsed


def cluster_counts(cluster: Cluster) -> dict[str, int]:
    """A cluster's figures, under the words with which they are shown."""
    return {
        "nodes": cluster.nodes,
        "CPUs": round(cluster.cpus),
        "running": cluster.running,
        "waiting": cluster.waiting,
        "late": len(cluster.stragglers),
        "lost": cluster.lost,
    }


def _is_new_best(event: Event) -> bool:
    ids = [row.id for row in (event.candidate, event.best) if row is not None]
    return event.kind == "finished" and len(ids) == 2 and ids[0] == ids[1]


def _summary(event: Event) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in event.counts.items())
    best = f", best {event.best.fitness:.4f}" if event.best else ""
    cluster = f"; {_nonzero(event.cluster)}" if event.cluster else ""
    return f"{counts or 'nothing yet'}{best}{cluster}"


def _nonzero(cluster: Cluster) -> str:
    return ", ".join(f"{count} {name}" for name, count in cluster_counts(cluster).items() if count)
