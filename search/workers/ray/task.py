"""The task that runs on the cluster, in a process that keeps its evaluator for later tasks."""

import json
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from search.workers import process

_evaluators: dict[str, Any] = {}


def run_task(
    config: str, images: Any, threads: int, kind: str, arguments: Sequence[Any]
) -> Iterator[bytes]:
    """Yields the host of the task, then the report on it; both are JSON.

    Args:
      config: the run's configuration as JSON.
      images: the data set, in the shared memory of the host.
      threads: number of TensorFlow's threads, the same for every task of this process.
      kind: a method of `Evaluator`.
      arguments: arguments of that method.
    """
    yield json.dumps({"host": _host()}).encode()
    if config not in _evaluators:
        try:
            _evaluators[config] = process.new_evaluator(json.loads(config), images, threads)
        except Exception as error:
            yield process.fatal(error)
            return
    yield process.report(_evaluators[config], kind, arguments)


def _host() -> str:
    """The names of the machine and of the node, since a machine can have several nodes."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    return f"{socket.gethostname()}/{node[:6]}"
