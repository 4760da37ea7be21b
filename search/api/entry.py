"""`run`, `resume` and `open`: a search from a Python program or a notebook."""

import contextlib
import multiprocessing
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from search import config as configuration
from search import lifecycle, settings
from search.api import given
from search.api.result import SearchRun
from search.config import Config
from search.errors import SearchError
from search.progress.choice import new_progress
from search.storage.store import Store

_Function: TypeAlias = Callable[..., Any]


def run(
    *,
    run_dir: str | os.PathLike,
    data: str | _Function | Sequence[Any] | None = None,
    anchors: str | _Function | Sequence[str | _Function] | None = None,
    minutes: float | None = None,
    preset: str = "demo",
    seed: int | None = None,
    workers: int | None = None,
    final: bool = True,
    **fields: Any,
) -> SearchRun:
    """Searches for normalization-activation layers, as `python -m search run` does.

    The call returns when the search has ended. A search that is interrupted, by Ctrl-C or the
    notebook's stop button, can be resumed.

    Args:
      run_dir: the new run folder.
      data: arrays `(x_train, y_train)` or `(x_train, y_train, x_test, y_test)`, which are kept in
        the run folder; a function that returns such arrays; or what `evaluation.data` takes.
      anchors: networks in which layers are scored: names, or functions of `norm_act`,
        `num_classes` and `input_shape` that return a Keras model; one or several.
      minutes: `method.max_minutes`, the time to search; the final stage comes after it.
      preset: the configuration to begin with.
      seed: `method.seed`.
      workers: number of evaluations at once.
      final: whether to train the best layers again, and to compare the winner on the test set.
      **fields: other fields of the configuration; a section is a dictionary of its fields, such as
        `evaluation={"steps": 300}`. A function may stand wherever `module:function` may.

    Returns:
      The run, with the layers that were found.

    Raises:
      SearchError: in one line, for a field or a value that does not exist, for data and networks
        that cannot be used, and for a folder that has a run or cannot be written.

    Example:
      run = search.run(data=(x, y), anchors=[build], minutes=30, run_dir="runs/mine")
      layer = run.best[0].layer()
    """
    _check_that_workers_can_start()
    config = settings.merged(configuration.preset(preset), given.named(fields))
    short: dict[str, dict[str, Any]] = {
        "evaluation": {"anchors": anchors},
        "method": {"max_minutes": minutes, "seed": seed},
    }
    for section, values in short.items():
        chosen = {name: given.named(value) for name, value in values.items() if value is not None}
        config = settings.merged(config, {section: chosen})
    if workers is not None:
        config = settings.with_workers(config, workers)
    with _created(run_dir, config, data) as store:
        config = Config.from_dict(store.meta("config"))
        _execute(store, config, final)
    return SearchRun(run_dir, trust=tuple(_texts(config.to_dict())))


def resume(
    run_dir: str | os.PathLike,
    *,
    trust: Sequence[str | _Function] = (),
    minutes: float | None = None,
    workers: int | None = None,
    final: bool = True,
) -> SearchRun:
    """Goes on with a search that was stopped or killed, or for more minutes with one that ended.

    Args:
      run_dir: the run folder.
      trust: the run's functions and data sets of tensorflow-datasets, which are imported only if
        they are given again: a run folder may come from anyone.
      minutes: the time to search from now on, in place of what is left of the run's own. The final
        stage then runs again.
      workers: number of evaluations at once.
      final: as in `run`.

    Raises:
      SearchError: in one line, for a folder without a run, for a function that is not given
        again, and for data and functions that have changed.
    """
    _check_that_workers_can_start()
    with Store.open(run_dir, controller=True) as store:
        names = [given.named(each) for each in trust]
        _check_known(store, trust, names)
        config = lifecycle.load_config(store, names)
        if workers is not None:
            config = settings.with_workers(config, workers)
        if minutes is not None:
            config = lifecycle.extend(store, config, minutes)
        _execute(store, config, final)
    return SearchRun(run_dir, trust=names)


def open(run_dir: str | os.PathLike) -> SearchRun:
    """A search that exists; it may be running. Raises SearchError for a folder without one."""
    return SearchRun(run_dir)


@contextlib.contextmanager
def _created(run_dir: str | os.PathLike, config: Config, data: Any) -> Iterator[Store]:
    """A new run; arrays become a file of its folder."""
    if data is None or isinstance(data, str | os.PathLike) or callable(data):
        source = os.fspath(data) if isinstance(data, os.PathLike) else given.named(data)
        changed = {} if source is None else {"evaluation": {"data": source}}
        with lifecycle.create(run_dir, settings.merged(config, changed)) as store:
            yield store
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "data.npz")
        given.write_arrays(data, path)
        config = settings.merged(config, {"evaluation": {"data": str(path)}})
        try:
            store = lifecycle.create(run_dir, config, arrays=path)
        except SearchError as error:
            raise SearchError(str(error).replace(repr(str(path)), "the arrays")) from None
    with store:
        yield store


def _execute(store: Store, config: Config, with_final: bool) -> None:
    try:
        with contextlib.closing(new_progress(config, sys.stderr)) as progress:
            lifecycle.execute(store, config, progress, with_final)
    except KeyboardInterrupt:
        text = f"stopped; go on with: search.resume({str(store.run_dir)!r})"
        print(text, file=sys.stderr)
        raise


def _check_known(store: Store, trust: Sequence[Any], names: Sequence[str]) -> None:
    """Raises SearchError for a function that the run does not have."""
    known = set(_texts(store.meta("config")))
    for function, name in zip(trust, names, strict=True):
        if callable(function) and name not in known:
            raise SearchError(
                f"{store.run_dir}: the function {function.__name__} is none of the run's, or has "
                f"changed since the run was made"
            )


def _texts(value: Any) -> Iterator[str]:
    """All texts in nested dictionaries and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _check_that_workers_can_start() -> None:
    """Raises SearchError in a script whose workers, which import it, would start a search too."""
    # Set while a new process imports the script that has started it.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SearchError("a worker, which imported the script, was to start a search")
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
