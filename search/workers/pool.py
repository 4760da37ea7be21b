"""`Pool`: the interface of the pools that run evaluations."""

import dataclasses
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True)
class Answer:
    """The end of a task.

    Attributes:
      tag: the tag that `submit` was given.
      kind: "ok"; "error" if the evaluation failed; "died" if the worker did; "refused" if the
        report failed a check.
      result: the result, or the text of the error.
      host: host of the worker; None for this machine.
    """

    tag: Any
    kind: str
    result: Any
    host: str | None = None


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Figures of a cluster's machines and tasks.

    Attributes:
      nodes, cpus: number of machines that are alive, and of their CPUs.
      running: number of tasks that a worker has begun.
      waiting: number of tasks that wait for CPUs.
      per_minute: for each host, tasks finished per minute in the last ten minutes.
      stragglers: candidate, stage, host and seconds of running tasks that take much longer than
        their stage usually takes.
      lost: number of tasks that were lost with their machine, and started again on another.
    """

    nodes: int = 0
    cpus: float = 0.0
    running: int = 0
    waiting: int = 0
    per_minute: dict[str, float] = dataclasses.field(default_factory=dict)
    stragglers: tuple[tuple[int, str, str, float], ...] = ()
    lost: int = 0


class Pool(Protocol):
    """Runs methods of `Evaluator` in other processes; as a context manager, it ends all tasks."""

    def __enter__(self) -> "Pool": ...

    def __exit__(self, *_: Any) -> None: ...

    @property
    def has_idle(self) -> bool:
        """Whether a new task would start at once, or after a short time."""

    @property
    def is_busy(self) -> bool:
        """Whether a task is in flight, so that an answer will come."""

    def submit(self, tag: Any, kind: str, *arguments: Any) -> None:
        """Starts a task.

        Args:
          tag: the answer will have this tag.
          kind: a method of `Evaluator`: "probe", "evaluate" or "score".
          *arguments: arguments of that method.
        """

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """The next answers; an empty list after `timeout` seconds without one.

        Raises:
          SearchError: if no worker can start.
        """

    def cluster(self) -> Cluster | None:
        """Figures of the cluster; None for a pool on this machine."""
