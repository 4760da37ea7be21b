"""`WorkerPool`: local worker processes that are replaced when they die."""

import contextlib
import dataclasses
import importlib
import math
import multiprocessing
import os
import time
from multiprocessing import connection
from typing import Any

from search.config import Config
from search.errors import SearchError
from search.workers import messages as reports
from search.workers import process as worker

# TensorFlow keeps a little of every trace: a worker makes room for a new one in time.
_TASKS_PER_WORKER = 400
_JOIN_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a task.

    Attributes:
      tag: what `submit` was given.
      kind: "ok"; "error", of the evaluation; "died", of a worker; "refused", of a report that
        cannot be right.
      result: the result, or what is wrong.
      host: where the worker was; None for this machine.
    """

    tag: Any
    kind: str
    result: Any
    host: str | None = None


class _Worker:
    def __init__(self, config: dict[str, Any]):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, config, os.getpid())
        self.process = context.Process(target=worker.serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.task: tuple[Any, str, Any] | None = None
        self.tasks = 0
        self.deadline = math.inf

    @property
    def is_busy(self) -> bool:
        return self.task is not None

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(_JOIN_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class WorkerPool:
    """Runs `Evaluator` methods in `config.workers` processes.

    A process that takes more than `config.task_minutes` for a task is replaced. A context
    manager: leaving it ends the processes, whatever they are doing.
    """

    def __init__(self, config: Config):
        self._config = config.to_dict()
        self._anchors = config.evaluation.anchors
        self._seconds = 60.0 * config.task_minutes
        self._workers = [_Worker(self._config) for _ in range(config.workers)]

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: Any) -> None:
        for each in self._workers:
            each.end()

    @property
    def has_idle(self) -> bool:
        """Whether a task would start at once."""
        return any(not each.is_busy for each in self._workers)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is to come."""
        return any(each.is_busy for each in self._workers)

    def submit(self, tag: Any, kind: str, *arguments: Any) -> None:
        """Gives a task to an idle worker; `tag` comes back with the answer."""
        index = next(i for i, each in enumerate(self._workers) if not each.is_busy)
        chosen = self._workers[index]
        if chosen.tasks >= _TASKS_PER_WORKER or not chosen.process.is_alive():
            chosen.end()
            chosen = self._workers[index] = _Worker(self._config)
        chosen.task = tag, kind, arguments
        chosen.tasks += 1
        chosen.deadline = time.monotonic() + self._seconds
        with contextlib.suppress(BrokenPipeError):  # it died just now: `wait` finds out
            chosen.connection.send((kind, arguments))

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """The next answers; none when the time is over.

        Raises:
          SearchError: when a worker could not start.
        """
        busy = {each.connection: i for i, each in enumerate(self._workers) if each.is_busy}
        answers = []
        for ready in connection.wait(list(busy), self._until_deadline(timeout)):
            index = busy.pop(ready)
            try:
                data = ready.recv_bytes(reports.MAX_BYTES)
            except (EOFError, OSError):  # it died, or sent what is far too long
                answers.append(self._replace(index, None))
                continue
            chosen = self._workers[index]
            (tag, kind, arguments), chosen.task = chosen.task, None
            if data.startswith(worker.FATAL):
                text = data.removeprefix(worker.FATAL).decode(errors="replace")
                raise SearchError(f"a worker could not start: {text}")
            answers.append(read_report(data, tag, kind, arguments, self._anchors))
        late = [i for i in busy.values() if self._workers[i].deadline <= time.monotonic()]
        return answers + [self._replace(index, "it took too long") for index in late]

    def _until_deadline(self, timeout: float | None) -> float | None:
        if not self.is_busy:
            return timeout
        deadline = min(each.deadline for each in self._workers if each.is_busy)
        left = max(deadline - time.monotonic(), 0.0)
        return left if timeout is None else min(left, timeout)

    def _replace(self, index: int, result: str | None) -> Answer:
        """A new worker in the place of one that cannot answer; the answer to its task."""
        stuck, self._workers[index] = self._workers[index], _Worker(self._config)
        stuck.end()
        return Answer(stuck.task[0], "died", result)


def ray_pool(config: Config) -> Any:
    """The pool on a Ray cluster. Raises SearchError where Ray is not installed."""
    try:
        return importlib.import_module("search.workers.ray.pool").RayPool(config)
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise SearchError(
            "--executor ray needs Ray: install the extra [ray], or ray[default] itself"
        ) from None


def read_report(
    data: bytes, tag: Any, kind: str, arguments: Any, anchors: Any, host: str | None = None
) -> Answer:
    """The answer that a worker's report on a task amounts to."""
    try:
        return Answer(tag, *reports.decode(data, kind, arguments, anchors), host)
    except reports.RefusedReportError as error:
        return Answer(tag, "refused", str(error), host)
