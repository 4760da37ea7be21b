"""`LocalPool`: worker processes on this machine; a process that dies is replaced."""

import contextlib
import math
import multiprocessing
import os
import time
from multiprocessing import connection
from typing import Any

from search.config import Config
from search.errors import SearchError
from search.workers import messages, process
from search.workers.pool import Answer

_JOIN_SECONDS = 5.0


class _Worker:
    def __init__(self, config: dict[str, Any]):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, config, os.getpid())
        self.process = context.Process(target=process.serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.task: tuple[Any, str, Any] | None = None
        self.deadline = math.inf

    @property
    def is_busy(self) -> bool:
        return self.task is not None

    def end_task(self) -> tuple[Any, str, Any]:
        """Returns the task in flight; the process is idle after this."""
        task, self.task = self.task, None
        if task is None:
            raise RuntimeError("the process has no task")
        return task

    def end(self) -> None:
        """Ends the process; after a few seconds, kills it."""
        self.connection.close()
        self.process.terminate()
        self.process.join(_JOIN_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class LocalPool:
    """A `Pool` of `config.workers` processes.

    A process that takes more than `config.task_minutes` for a task is replaced.

    Args:
      config: the run's configuration.
    """

    def __init__(self, config: Config):
        self._config = config.to_dict()
        self._evaluation = config.evaluation
        self._seconds = 60.0 * config.task_minutes
        self._workers = [_Worker(self._config) for _ in range(config.workers)]

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, *_: Any) -> None:
        for each in self._workers:
            each.end()

    @property
    def has_idle(self) -> bool:
        """Whether a process has no task."""
        return any(not each.is_busy for each in self._workers)

    @property
    def is_busy(self) -> bool:
        """Whether a process has a task."""
        return any(each.is_busy for each in self._workers)

    def cluster(self) -> None:
        """None: there is no cluster."""

    def submit(self, tag: Any, kind: str, *arguments: Any) -> None:
        """Gives a task to an idle process, see `Pool.submit`."""
        index = next(i for i, each in enumerate(self._workers) if not each.is_busy)
        chosen = self._workers[index]
        if not chosen.process.is_alive():
            chosen.end()
            chosen = self._workers[index] = _Worker(self._config)
        chosen.task = tag, kind, arguments
        chosen.deadline = time.monotonic() + self._seconds
        with contextlib.suppress(BrokenPipeError):  # it has just died, as `wait` will notice
            chosen.connection.send((kind, arguments))

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """The next answers, see `Pool.wait`."""
        busy: dict[Any, int] = {
            each.connection: i for i, each in enumerate(self._workers) if each.is_busy
        }
        ready = connection.wait(list(busy), self._until_deadline(timeout))
        answers = [self._receive(busy.pop(each)) for each in ready]
        late = [i for i in busy.values() if self._workers[i].deadline <= time.monotonic()]
        return answers + [self._replace(index, "it took too long") for index in late]

    def _until_deadline(self, timeout: float | None) -> float | None:
        if not self.is_busy:
            return timeout
        deadline = min(each.deadline for each in self._workers if each.is_busy)
        left = max(deadline - time.monotonic(), 0.0)
        return left if timeout is None else min(left, timeout)

    def _receive(self, index: int) -> Answer:
        chosen = self._workers[index]
        try:
            data = chosen.connection.recv_bytes(messages.MAX_BYTES)
        except (EOFError, OSError):  # it died, or sent more bytes than a report may have
            return self._replace(index, None)
        tag, kind, arguments = chosen.end_task()
        if data.startswith(messages.FATAL):
            text = data.removeprefix(messages.FATAL).decode(errors="replace")
            raise SearchError(f"a worker could not start: {text}")
        anchors, objective = self._evaluation.anchors, self._evaluation.objective
        return messages.read_report(data, tag, kind, arguments, anchors, objective=objective)

    def _replace(self, index: int, text: str | None) -> Answer:
        """Replaces a process that cannot answer; the answer to its task is "died"."""
        stuck, self._workers[index] = self._workers[index], _Worker(self._config)
        stuck.end()
        tag, *_ = stuck.end_task()
        return Answer(tag, "died", text)
