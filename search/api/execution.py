"""The steps of `search.run` and `search.resume`."""

import contextlib
import multiprocessing
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from search import lifecycle, settings
from search.api import given
from search.config import Config
from search.errors import SearchError
from search.progress.choice import new_progress
from search.storage.store import Store

_ROOT = str(pathlib.Path(__file__).parents[2])


@contextlib.contextmanager
def created(
    run_dir: str | os.PathLike,
    config: Config,
    data: Any,
    import_from: Sequence[str | os.PathLike],
) -> Iterator[Store]:
    """A new run; arrays become a file of its folder."""
    if data is None or isinstance(data, str | os.PathLike) or callable(data):
        source = os.fspath(data) if isinstance(data, os.PathLike) else given.named(data)
        changed = {} if source is None else {"evaluation": {"data": source}}
        merged = settings.merged(config, changed)
        with lifecycle.create(run_dir, merged, import_from=import_from) as store:
            yield store
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "data.npz")
        given.write_arrays(data, path)
        config = settings.merged(config, {"evaluation": {"data": str(path)}})
        try:
            store = lifecycle.create(run_dir, config, path, import_from)
        except SearchError as error:
            raise SearchError(str(error).replace(repr(str(path)), "the arrays")) from None
    with store:
        yield store


def execute(store: Store, config: Config, with_final: bool) -> None:
    """Runs the search to its end, and says how to go on if it is interrupted."""
    try:
        with contextlib.closing(new_progress(config, sys.stderr)) as progress:
            lifecycle.execute(store, config, progress, with_final)
    except KeyboardInterrupt:
        text = f"stopped; go on with: search.resume({str(store.run_dir)!r})"
        print(text, file=sys.stderr)
        raise


def check_known(store: Store, trust: Sequence[Any], names: Sequence[str]) -> None:
    """Raises SearchError for a function that the run does not have."""
    known = set(texts(store.meta("config")))
    for function, name in zip(trust, names, strict=True):
        if callable(function) and name not in known:
            raise SearchError(
                f"{store.run_dir}: the function {function.__name__} is none of the run's, or has "
                f"changed since the run was made"
            )


def texts(value: Any) -> Iterator[str]:
    """All texts in nested dictionaries and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def check_that_workers_can_start() -> None:
    """Raises SearchError in a script that starts a search when a worker imports it."""
    # Set while a new process imports the script that has started it.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SearchError("a worker, which imported the script, was to start a search")
    # In a notebook that has changed its directory, "" in the path is another folder for workers.
    if _ROOT not in sys.path:
        sys.path.append(_ROOT)
    main = sys.modules["__main__"]
    if getattr(main, "__file__", None) is None or getattr(main, "__spec__", None) is not None:
        return  # a notebook, or `python -m`
    process = multiprocessing.get_context("spawn").Process(target=_nothing)
    process.start()
    process.join()
    if process.exitcode:
        raise SearchError(
            f"workers import the script that starts them, which failed with exit code "
            f'{process.exitcode}: put what starts a search under `if __name__ == "__main__":`'
        )


def _nothing() -> None:
    """Returns; a process that runs it has imported the script."""
