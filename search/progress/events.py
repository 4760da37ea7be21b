"""`Event` and `Progress`: the changes that a search emits, and their receiver."""

import dataclasses
from typing import Protocol

from search.storage.candidate import Candidate
from search.workers.pool import Cluster


@dataclasses.dataclass(frozen=True)
class Event:
    """One change, with the run's figures after it.

    Attributes:
      kind: "started"; "sampled" or "finished" for a candidate; "tick", about once a second;
        "stage" for a stage of the run after the search; "refused" for a worker's report.
      candidate: the candidate of a "sampled" or "finished" event.
      text: the name of a "stage", or the reason of a "refused" event.
      sampled: number of genotypes so far.
      counts: number of genotypes of each status.
      reasons: number of rejected and failed genotypes for each reason.
      best: the accepted genotype with the highest fitness.
      elapsed: seconds of this run, including earlier sessions.
      per_minute: candidates finished per minute in this session.
      share: used share of the budget, 0 to 1; None without a budget.
      left: seconds to the end of the budget at the present pace; None without a budget.
      refused: number of workers' reports that failed their checks.
      cluster: figures of the cluster; None on one machine.
    """

    kind: str
    candidate: Candidate | None = None
    text: str = ""
    sampled: int = 0
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    reasons: dict[str, int] = dataclasses.field(default_factory=dict)
    best: Candidate | None = None
    elapsed: float = 0.0
    per_minute: float = 0.0
    share: float | None = None
    left: float | None = None
    refused: int = 0
    cluster: Cluster | None = None


class Progress(Protocol):
    """Receives events, and shows or exports them."""

    def update(self, event: Event) -> None:
        """Receives an event."""

    def close(self) -> None:
        """Is called once, after the last event."""


def with_figures(event: Event, before: Event) -> Event:
    """The event; a "stage" has no figures of its own, and gets those of the event before."""
    if event.kind != "stage":
        return event
    return dataclasses.replace(before, kind="stage", candidate=None, text=event.text, left=None)
