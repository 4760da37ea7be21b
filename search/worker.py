"""A worker process: receives tasks on a pipe, answers each, and ends with its controller."""

import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

_WATCH_SECONDS = 1.0
_LONGEST_LINE = 300


def serve(connection: Connection, config: dict[str, Any], parent: int) -> None:
    """Answers ("probe" | "evaluate" | "score", arguments) until the pipe closes.

    Answers are ("ok", result) or ("error", text): a failed evaluation is the candidate's
    failure, not the worker's. A worker that cannot even start, for want of its data set,
    says ("fatal", text) and ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the controller's to handle
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        evaluator = _new_evaluator(config)
    except Exception as error:
        connection.send(("fatal", _line(error)))
        return
    while True:
        try:
            kind, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = ("ok", getattr(evaluator, kind)(*arguments))
        except Exception as error:
            answer = ("error", _line(error))
        try:
            connection.send(answer)
        except BrokenPipeError:
            return


def _new_evaluator(config: dict[str, Any]) -> Any:
    # Set before TensorFlow is imported: workers share the terminal with the progress display.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from search.config import Config
    from search.evaluator import Evaluator

    # One thread a worker: small kernels gain nothing from more, and sums keep their order.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
    # Every candidate is a new trace on purpose; TensorFlow warns about that.
    tf.get_logger().setLevel("ERROR")
    return Evaluator(Config.from_dict(config))


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:_LONGEST_LINE]


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent died, even within a long training."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
