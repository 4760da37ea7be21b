"""Keeps Ray from unpickling what workers send to this process.

Reports are bytes, which Ray hands over as they are. Any other object would be unpickled where
it arrives, and a pickle can run code; so here it is refused. (Who can join a cluster can run
code on it all the same: that is what Ray is for. The controller's machine stays out of it.)
"""

import logging
import pickle
import types
from typing import Any

from ray import exceptions
from ray._private import worker

from search.errors import SearchError

_REFUSAL = "a pickled object in place of a report"


class UnpicklingRefusedError(Exception):
    """What is raised in place of unpickling."""


def install() -> None:
    """Sets the guard up in this process, which must be connected to a cluster.

    Raises:
      SearchError: for a version of Ray that has no place for it.
    """
    context = worker.global_worker.get_serialization_context()
    if not (hasattr(context, "_deserialize_pickle5_data") and hasattr(exceptions, "pickle")):
        raise SearchError("this version of Ray unpickles reports elsewhere: take Ray 2.60")
    context._deserialize_pickle5_data = _refuse
    # Errors of workers are pickled too; beside the pickle they carry their text.
    exceptions.pickle = types.SimpleNamespace(loads=_refuse, dumps=pickle.dumps)
    # Says with a traceback what is in the log of refusals.
    logging.getLogger("ray._private.serialization").setLevel(logging.CRITICAL)


def remove() -> None:
    """Takes the guard away, for other uses of Ray in the same process."""
    exceptions.pickle = pickle


def _refuse(*_: Any) -> None:
    raise UnpicklingRefusedError(_REFUSAL)
