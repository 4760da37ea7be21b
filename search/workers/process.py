"""A worker process: receives tasks on a pipe, answers each, and ends with its controller."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from trainers.errors import reason

_WATCH_SECONDS = 1.0
_LONGEST_LINE = 300
# Opens the message of a worker that could not start; no JSON opens like this.
FATAL = b"fatal: "


def serve(connection: Connection, config: dict[str, Any], parent: int) -> None:
    """Answers ("probe" | "evaluate" | "score", arguments) until the pipe closes.

    Answers are reports (`search.workers.messages`): a failed evaluation is the candidate's failure,
    not the worker's. A worker that cannot even start, for want of its data set, reports
    that on no task, before it has one, and ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the controller's to handle
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    leave_the_terminal()
    try:
        evaluator = new_evaluator(config)
    except Exception as error:
        connection.send_bytes(FATAL + error_line(error).encode())
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
    """Drops what TensorFlow's C++ writes whatever its log level: the display is there.

    A standard error stream that goes elsewhere gets it.
    """
    if os.isatty(2):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


def report(evaluator: Any, kind: str, arguments: Sequence[Any]) -> bytes:
    """Runs one task; its result or its error as JSON."""
    from search.workers import messages as reports

    try:
        return reports.encode(kind, arguments, getattr(evaluator, kind)(*arguments))
    except Exception as error:
        return reports.encode_error(error_line(error))


def new_evaluator(config: dict[str, Any], images: Any = None, threads: int = 1) -> Any:
    """An `Evaluator` in a process that has not used TensorFlow yet, set up for it.

    Args:
      config: the run's, as `Config.to_dict` gives it.
      images: the data set; default: the evaluator loads it.
      threads: of TensorFlow.
    """
    # Set before TensorFlow is imported: workers share the terminal with the progress display.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from search.config import Config
    from search.evaluation.evaluator import Evaluator

    # One thread unless asked: small kernels gain nothing from more, and sums keep their order.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    # Every candidate is a new trace on purpose; TensorFlow warns about that.
    tf.get_logger().setLevel("ERROR")
    return Evaluator(Config.from_dict(config), images)


def error_line(error: Exception) -> str:
    """An error's type and first line."""
    return f"{type(error).__name__}: {reason(error)}"[:_LONGEST_LINE]


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent died, even within a long training."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
