"""`Telemetry`: emits the changes in the loop as events, with the run's figures."""

from collections.abc import Callable

from search.controller.budget import Budget, seconds_left
from search.controller.ledger import Ledger
from search.progress.events import Event, Progress
from search.storage.candidate import Candidate
from search.workers.pool import Cluster


class Telemetry:
    """Emits events to a `Progress`.

    Args:
      progress: receives the events.
      ledger, budget: the sources of the figures.

    Attributes:
      cluster: a function that returns the figures of the pool's cluster, or None without one.
    """

    def __init__(self, progress: Progress, ledger: Ledger, budget: Budget):
        self._progress, self._ledger, self._budget = progress, ledger, budget
        self.cluster: Callable[[], Cluster | None] = lambda: None

    def emit(self, kind: str, candidate: Candidate | None = None, text: str = "") -> None:
        """Emits an event of a kind that `Event` describes."""
        ledger, session = self._ledger, self._budget.session
        elapsed, share = self._budget.elapsed, self._budget.share_used()
        bounded = self._budget.is_bounded
        self._progress.update(
            Event(
                kind,
                candidate,
                text,
                sampled=ledger.sampled,
                counts={status: count for status, count in ledger.counts.items() if count},
                reasons=dict(ledger.reasons),
                best=ledger.best,
                elapsed=elapsed,
                per_minute=60 * ledger.finished / session if session > 0 else 0.0,
                share=min(share, 1.0) if bounded else None,
                left=seconds_left(elapsed, share) if bounded else None,
                refused=ledger.refused,
                cluster=self.cluster(),
            )
        )
