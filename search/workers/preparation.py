"""Checks the data of a user's own in a process of its own, before there is a run folder.

So a user's module is not imported into the controller, and the memory of the images is free again.
"""

import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

from search.config import Config
from search.errors import SearchError

_LONGEST = 1000


def check_own(config: Config) -> None:
    """Loads the configured data once, and checks that the settings fit it.

    Raises:
      SearchError: in one line, for what a worker could not use.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_check, args=(theirs, config.to_dict()), daemon=True)
    process.start()
    theirs.close()
    try:
        line = ours.recv_bytes().decode(errors="replace")
    except EOFError:
        process.join()
        line = f"the process that checks the data ended with exit code {process.exitcode}"
    finally:
        process.terminate()
        process.join()
    if line:
        raise SearchError(line)


def _check(connection: Connection, config: dict[str, Any]) -> None:
    """Sends the error's line, or nothing where all is right."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from search.evaluation import images

    settings = Config.from_dict(config).evaluation
    try:
        images.check_fit(images.load_data(settings), settings)
        line = ""
    except Exception as error:
        line = str(error) if isinstance(error, SearchError) else f"{type(error).__name__}: {error}"
    connection.send_bytes(" ".join(line.split())[:_LONGEST].encode())
