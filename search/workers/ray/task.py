"""What runs on the cluster: one task, in a process that keeps its evaluator for the next."""

import json
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from search.workers import process

_evaluators: dict[str, Any] = {}


def run_task(
    config: str, images: Any, threads: int, kind: str, arguments: Sequence[Any]
) -> Iterator[bytes]:
    """Yields where the task runs, then the report on it; both are JSON.

    Args:
      config: the run's configuration as JSON.
      images: the data set, which the workers of a host share.
      threads: of TensorFlow; the same number for every task of this process.
      kind: a method of `Evaluator`.
      arguments: of that method.
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
    """The names of the machine and of the node: a machine can have several nodes."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    return f"{socket.gethostname()}/{node[:6]}"
