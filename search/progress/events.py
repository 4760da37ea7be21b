"""`Event` and `Progress`: what the search emits, and who receives it."""

import dataclasses
from typing import Protocol

from search.storage.candidate import Candidate
from search.workers.pool import Cluster


@dataclasses.dataclass(frozen=True)
class Event:
    """One change, with the run's figures after it.

    Attributes:
      kind: "started"; "sampled" and "finished" of a candidate; "tick", about once a second;
        "stage" of the run after the search; "refused" of a worker's report.
      candidate: of "sampled" and "finished".
      text: of "stage", its name; of "refused", the reason.
      sampled: genotypes so far; baselines are left out.
      counts: genotypes of each status.
      reasons: rejected and failed genotypes of each reason.
      best: the accepted genotype of the highest fitness.
      elapsed: seconds of this run, earlier sessions included.
      per_minute: genotypes finished a minute in this session.
      share: used share of the budget, 0 to 1; None without a budget.
      left: seconds to the budget's end at the present pace; None without a budget.
      refused: reports of workers that failed their checks.
      cluster: its figures; None on one machine.
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
    """Receives events, to show or to export them."""

    def update(self, event: Event) -> None:
        """Receives an event."""

    def close(self) -> None:
        """Is called once, after the last event."""


def with_figures(event: Event, before: Event) -> Event:
    """The event; a "stage", which has no figures of its own, gets those of the event before."""
    if event.kind != "stage":
        return event
    return dataclasses.replace(before, kind="stage", candidate=None, text=event.text, left=None)
