"""`RayPool`: evaluations as Ray tasks, one task for each stage.

The quality test, the stability test and the training of a candidate are consecutive tasks with
their own resources, so a layer that fails early never holds the CPUs of a training. A stage that is
lost with its machine starts again on another one. If a worker crashes or is stuck, the candidate
may be the cause: the answer is "died", and the controller counts the attempts.

Messages are bytes, but Ray unpickles what a worker sends, and a pickle can run code. So a program
that can join the cluster can also run code in the controller.
"""

import dataclasses
import json
import time
from typing import Any

import ray
from ray import exceptions

from search.config import Config
from search.errors import SearchError
from search.evaluation.outcome import StageResult, outcome_of, stages_of
from search.workers import messages
from search.workers.pool import Answer, Cluster
from search.workers.ray.cluster import RayCluster
from search.workers.ray.watch import Watch

_CRASHES = (
    exceptions.WorkerCrashedError,
    exceptions.OutOfMemoryError,
    exceptions.TaskCancelledError,
)
_LOSSES = (exceptions.NodeDiedError, exceptions.ObjectLostError, exceptions.OwnerDiedError)
# The share of the CPUs for which tasks wait in advance, so that no worker waits for a task.
_AHEAD = 0.05
_FIGURES_SECONDS = 2.0
_LONGEST_HOST = 200


@dataclasses.dataclass
class _Task:
    """One stage in flight; `rest` are the following stages, or None outside an evaluation."""

    tag: Any
    kind: str
    arguments: tuple[Any, ...]
    rest: tuple[str, ...] | None = None
    results: dict[str, StageResult] = dataclasses.field(default_factory=dict)
    host: str | None = None


class RayPool:
    """A `Pool` on a Ray cluster.

    Args:
      config: the run's configuration; its `ray` names the cluster and the resources.

    Raises:
      SearchError: as `RayCluster` does.
    """

    def __init__(self, config: Config):
        self._settings, self._evaluation = config.ray, config.evaluation
        self._cluster = RayCluster(config)
        self._watch = Watch()
        self._tasks: dict[Any, _Task] = {}
        self._taken = 0.0  # CPUs of the tasks in flight
        self._refresh()

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *_: Any) -> None:
        self._cluster.close()

    def cluster(self) -> Cluster:
        """Figures of the cluster, at most a few seconds old."""
        return self._figures

    @property
    def has_idle(self) -> bool:
        """Whether a new task would start at once, or after a short time."""
        if self._settings.workers is not None:
            return len(self._tasks) < self._settings.workers
        # If nothing is in flight, one task may wait for a node to join.
        return not self._tasks or self._taken < self._figures.cpus * (1 + _AHEAD)

    @property
    def is_busy(self) -> bool:
        """Whether a task is in flight."""
        return bool(self._tasks)

    def submit(self, tag: Any, kind: str, *arguments: Any) -> None:
        """Starts a task, or the first stage of an evaluation, see `Pool.submit`."""
        if kind != "evaluate":
            self._start(_Task(tag, kind, arguments))
            return
        first, *rest = stages_of(arguments[1], self._evaluation.stability_test)
        self._start(_Task(tag, first, arguments, tuple(rest)))

    def _start(self, task: _Task) -> None:
        self._tasks[self._cluster.start(task.kind, task.arguments)] = task
        self._taken += self._cluster.cpus_of(task.kind)

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """The next answers, see `Pool.wait`.

        Raises:
          SearchError: if a worker cannot start, or the cluster is lost.
        """
        answers = [answer for ready in self._ready(timeout) for answer in self._read(ready)]
        if time.monotonic() - self._refreshed > _FIGURES_SECONDS:
            answers += self._stuck()
            self._refresh()
        return answers

    def _ready(self, timeout: float | None) -> list[Any]:
        """Waits until a generator has a message; returns all generators that have one."""
        generators = list(self._tasks)
        ready, _ = ray.wait(generators, num_returns=1, timeout=timeout, fetch_local=False)
        if ready:
            count = len(generators)
            ready, _ = ray.wait(generators, num_returns=count, timeout=0, fetch_local=False)
        return ready

    def _read(self, generator: Any) -> list[Answer]:
        """Reads the next message of a task; returns the answer if the message has it."""
        task = self._tasks[generator]
        try:
            data = ray.get(next(generator))
        except StopIteration:
            return [self._end(generator, "died", "it ended without a report")]
        except _LOSSES:
            self._drop(generator, finished=False)
            self._watch.lost += 1
            self._start(dataclasses.replace(task, host=None))
            return []
        except _CRASHES:
            return [self._end(generator, "died", None)]
        except exceptions.LocalRayletDiedError as error:
            raise SearchError(f"the Ray cluster is gone: {_line(error)}") from None
        except exceptions.RayError as error:
            return [self._end(generator, "refused", _line(error))]
        if task.host is None:
            return self._begin(generator, task, data)
        self._drop(generator, finished=True)
        return self._follow(task, data)

    def _begin(self, generator: Any, task: _Task, data: Any) -> list[Answer]:
        try:
            task.host = str(json.loads(data)["host"])[:_LONGEST_HOST]
        except (ValueError, TypeError, KeyError):
            return [self._end(generator, "refused", "its first message does not say where it is")]
        # The key is not the tag: after the search, several trainings of a candidate run at once.
        self._watch.start(id(task), task.tag, task.kind, task.host)
        return []

    def _follow(self, task: _Task, data: bytes) -> list[Answer]:
        if isinstance(data, bytes) and data.startswith(messages.FATAL):
            text = data.removeprefix(messages.FATAL).decode(errors="replace")
            raise SearchError(f"a worker on {task.host} could not start: {text}")
        anchors, objective = self._evaluation.anchors, self._evaluation.objective
        answer = messages.read_report(
            data, task.tag, task.kind, task.arguments, anchors, task.host, objective
        )
        if answer.kind != "ok" or task.rest is None:
            return [answer]
        results = {**task.results, task.kind: answer.result}
        if answer.result.reason is None and task.rest:
            first, *rest = task.rest
            self._start(_Task(task.tag, first, task.arguments, tuple(rest), results))
            return []
        return [dataclasses.replace(answer, result=outcome_of(results))]

    def _stuck(self) -> list[Answer]:
        overdue = self._watch.overdue(self._cluster.seconds_of)
        stuck = [each for each, task in self._tasks.items() if id(task) in overdue]
        answers = []
        for generator in stuck:
            ray.cancel(generator, force=True)
            answers.append(self._end(generator, "died", "it took too long"))
        return answers

    def _end(self, generator: Any, kind: str, text: str | None) -> Answer:
        task = self._drop(generator, finished=False)
        return Answer(task.tag, kind, text, task.host)

    def _drop(self, generator: Any, finished: bool) -> _Task:
        task = self._tasks.pop(generator)
        self._taken -= self._cluster.cpus_of(task.kind)
        self._watch.end(id(task), finished)
        return task

    def _refresh(self) -> None:
        nodes = self._cluster.nodes()
        cpus = sum(node.get("CPU", 0.0) for node in nodes)
        self._figures = self._watch.figures(len(nodes), cpus, len(self._tasks))
        self._refreshed = time.monotonic()


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]
