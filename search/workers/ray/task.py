"""What runs on the cluster: one task, in a process that keeps its evaluator for the next."""

import json
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from search.workers import process as worker

_evaluators: dict[str, Any] = {}


def run_task(
    config: str, images: Any, threads: int, kind: str, arguments: Sequence[Any]
) -> Iterator[bytes]:
    """Says where it runs, then what came of the task; both as JSON.

    Args:
      config: the run's configuration as JSON.
      images: the data set, which the workers of a host share.
      threads: of TensorFlow; every task that this process gets has the same number.
      kind, arguments: a method of `Evaluator`.
    """
    yield json.dumps({"host": _host()}).encode()
    if config not in _evaluators:
        try:
            _evaluators[config] = worker.new_evaluator(json.loads(config), images, threads)
        except Exception as error:
            yield worker.FATAL + worker.error_line(error).encode()
            return
    yield worker.report(_evaluators[config], kind, arguments)


def _host() -> str:
    """The machine's name, and the node's: several nodes can be on one machine."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    return f"{socket.gethostname()}/{node[:6]}"
