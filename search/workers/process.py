"""A worker process: it receives tasks from a pipe, answers each, and ends with its controller."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from search import modules
from search.config import Config
from search.workers import messages
from trainers.errors import reason

_WATCH_SECONDS = 1.0
_LONGEST_LINE = 300


def serve(connection: Connection, config: dict[str, Any], parent: int) -> None:
    """Answers tasks, each a method of `Evaluator` and its arguments, until the pipe closes.

    An answer is a report (`search.workers.messages`). If an evaluation fails, the report has its
    error, and the worker continues. A worker that cannot start, for instance without its data set,
    sends one FATAL message before its first task, and ends.

    Args:
      connection: the worker's end of the pipe.
      config: the run's configuration, as `Config.to_dict` returns it.
      parent: process id of the controller.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the controller handles Ctrl-C
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    leave_the_terminal()
    try:
        evaluator = new_evaluator(config)
    except Exception as error:
        connection.send_bytes(fatal(error))
        return
    while True:
        try:
            kind, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send_bytes(report(evaluator, kind, arguments))
        except BrokenPipeError:
            return


def leave_the_terminal() -> None:
    """Discards the standard error of this process if it is the terminal of the progress display.

    TensorFlow's C++ code writes to it at any log level.
    """
    if os.isatty(2):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


def report(evaluator: Any, kind: str, arguments: Sequence[Any]) -> bytes:
    """Runs one task; returns the report on its result or its error."""
    try:
        return messages.encode(kind, arguments, getattr(evaluator, kind)(*arguments))
    except Exception as error:
        return messages.encode_error(_error_line(error))


def fatal(error: Exception) -> bytes:
    """The message of a worker that cannot start."""
    return messages.FATAL + _error_line(error).encode()


def new_evaluator(config: dict[str, Any], images: Any = None, threads: int = 1) -> Any:
    """An `Evaluator`, in a process that has not used TensorFlow yet.

    Args:
      config: the run's configuration, as `Config.to_dict` returns it.
      images: the data set; default: the evaluator loads it.
      threads: number of TensorFlow's threads within an operation.
    """
    # This is set before TensorFlow is imported, since workers share the display's terminal.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from search.evaluation.evaluator import Evaluator

    # With one thread the order of sums is fixed; small kernels are not faster with more.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    # TensorFlow warns about repeated traces; here every candidate needs a new trace.
    tf.get_logger().setLevel("ERROR")
    settings = Config.from_dict(config)
    modules.import_all(settings)
    return Evaluator(settings, images)


def _error_line(error: Exception) -> str:
    """The type and the first line of an error."""
    return f"{type(error).__name__}: {reason(error)}"[:_LONGEST_LINE]


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent has died, even during a long training."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
