"""What the search tells whoever watches: one event for each change, and plain log lines."""

import dataclasses
import importlib
from typing import Any, Protocol, TextIO

from search.storage.store import Candidate


@dataclasses.dataclass(frozen=True)
class Cluster:
    """How the machines of a cluster are doing.

    Attributes:
      nodes, cpus: machines that are alive, and their CPUs.
      running: tasks that a worker has begun.
      waiting: tasks that wait for room.
      per_minute: of each host, tasks finished a minute in the last ten.
      stragglers: running tasks that take far longer than their stage usually does: candidate,
        stage, host and seconds.
      lost: tasks that went down with their machine, and were given to another.
    """

    nodes: int = 0
    cpus: float = 0.0
    running: int = 0
    waiting: int = 0
    per_minute: dict[str, float] = dataclasses.field(default_factory=dict)
    stragglers: tuple[tuple[int, str, str, float], ...] = ()
    lost: int = 0


@dataclasses.dataclass(frozen=True)
class Event:
    """One change, with the run's figures after it.

    Attributes:
      kind: "started", "sampled", "finished" (of a candidate), "tick" (nothing new, about
        once a second), "stage" (of the run: its `text` names it), "refused" (a report, for
        the reason in `text`), "stopped".
      candidate: of "sampled" and "finished".
      text: of "stage", "refused" and "stopped".
      sampled: genotypes so far; baselines are left out.
      counts: genotypes of each status.
      reasons: rejected genotypes of each reason.
      best: the accepted genotype of the highest fitness.
      elapsed: seconds of this run, earlier sessions included.
      per_minute: genotypes finished a minute in this session.
      share: of the budget that is used, 0 to 1; None without a budget.
      left: seconds to the budget's end at this pace; None without a budget.
      refused: reports of workers that were not believed.
      cluster: its figures, where the search runs on one.
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
    """Who watches."""

    def update(self, event: Event) -> None:
        """Is told of an event."""

    def close(self) -> None:
        """Is told of the end."""


def with_figures(event: Event, before: Event) -> Event:
    """The event; one that names a stage alone gets the figures that were known before."""
    if event.kind != "stage":
        return event
    return dataclasses.replace(before, kind="stage", candidate=None, text=event.text, left=None)


class LogLines:
    """A line for each accepted candidate and each stage; fit for files and pipes."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._figures = Event("started")

    def update(self, event: Event) -> None:
        """Writes a line, if the event is worth one."""
        event = self._figures = with_figures(event, self._figures)
        candidate = event.candidate
        if event.kind == "finished" and candidate is not None and candidate.status == "accepted":
            text = f"{candidate.fitness:.4f}  {candidate.name or candidate.formula}"
        elif event.text:
            text = event.text
        else:
            return
        print(f"[{event.elapsed:7.1f} s, {event.sampled} sampled] {text}", file=self._stream)
        self._stream.flush()

    def close(self) -> None:
        """Nothing to put away."""


def make_progress(config: Any, stream: TextIO) -> Progress:
    """The terminal's display where its libraries are installed, else log lines.

    On a Ray cluster the figures become metrics too.
    """
    try:
        progress = importlib.import_module("search.progress.display").make_progress(config, stream)
    except ImportError:
        progress = LogLines(stream)
    if config.executor == "ray":
        return importlib.import_module("search.progress.metrics").Metrics(progress)
    return progress
