"""`Pool`: the interface of what runs the evaluations."""

import dataclasses
from typing import Any, Protocol

# TensorFlow keeps a little of every trace, so a process is replaced after this many tasks.
TASKS_PER_PROCESS = 400


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a task ended with.

    Attributes:
      tag: what `submit` was given.
      kind: "ok"; "error" of the evaluation; "died" of a worker; "refused" for a report that fails
        its checks.
      result: the result, or the text of what went wrong.
      host: where the worker was; None for this machine.
    """

    tag: Any
    kind: str
    result: Any
    host: str | None = None


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Figures of a cluster's machines and tasks.

    Attributes:
      nodes, cpus: machines that are alive, and their CPUs.
      running: tasks that a worker has begun.
      waiting: tasks that wait for CPUs.
      per_minute: for each host, tasks finished a minute in the last ten minutes.
      stragglers: candidate, stage, host and seconds of running tasks that take far longer than
        their stage usually does.
      lost: tasks that were lost with their machine and started again on another.
    """

    nodes: int = 0
    cpus: float = 0.0
    running: int = 0
    waiting: int = 0
    per_minute: dict[str, float] = dataclasses.field(default_factory=dict)
    stragglers: tuple[tuple[int, str, str, float], ...] = ()
    lost: int = 0


class Pool(Protocol):
    """Runs methods of `Evaluator` elsewhere; a context manager, which ends all tasks on exit."""

    def __enter__(self) -> "Pool": ...

    def __exit__(self, *_: Any) -> None: ...

    @property
    def has_idle(self) -> bool:
        """Whether a task would start at once, or nearly so."""

    @property
    def is_busy(self) -> bool:
        """Whether a task is in flight, so that there will be an answer."""

    def submit(self, tag: Any, kind: str, *arguments: Any) -> None:
        """Starts a task.

        Args:
          tag: comes back with the answer.
          kind: a method of `Evaluator`: "probe", "evaluate" or "score".
          *arguments: of that method.
        """

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """The next answers; none when `timeout` seconds are over.

        Raises:
          SearchError: when no worker can start.
        """

    def cluster(self) -> Cluster | None:
        """Figures of the cluster; None for a pool on this machine."""
