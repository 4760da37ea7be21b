"""`run`, `resume`, `open` and `SearchRun`: a search from a Python program or a notebook."""

import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from search import lifecycle, presets, settings
from search.api import execution, given
from search.api.layers import Compared, FoundLayer, found
from search.config import Config
from search.storage import ranking
from search.storage.store import Store

_Function: TypeAlias = Callable[..., Any]


class SearchRun:
    """A search in a run folder, which may be finished, stopped, or running in another process.

    Each attribute is read from the folder when it is asked for.

    Args:
      run_dir: the run folder.
      trust: names of functions and data sets that `resume` may import.
    """

    def __init__(self, run_dir: str | os.PathLike, trust: Sequence[str] = ()):
        self._run_dir = pathlib.Path(run_dir)
        self._trust = tuple(trust)
        with Store.open(run_dir):
            pass  # raises for a folder without a run

    def __repr__(self) -> str:
        best = self.best[:1]
        found = f"best: {best[0].fitness:.4f}  {best[0].formula}" if best else "nothing found yet"
        return f"<search in {self._run_dir}: {sum(self.counts.values())} genotypes, {found}>"

    @property
    def run_dir(self) -> pathlib.Path:
        """The run folder."""
        return self._run_dir

    @property
    def best(self) -> list[FoundLayer]:
        """All layers that passed every test, each function once, the best first.

        Layers that the final stage trained again come first, in the order of its scores.
        """
        with Store.open(self._run_dir) as store:
            ordered = ranking.accepted(store)
            groups = Config.from_dict(store.meta("config") or {}).evaluation.groups
        return [found(row, rank, groups) for rank, row in enumerate(ordered, start=1)]

    @property
    def counts(self) -> dict[str, int]:
        """The number of genotypes of each status."""
        with Store.open(self._run_dir) as store:
            return store.counts()

    @property
    def elapsed(self) -> float:
        """Seconds of searching, without the final stage and pauses."""
        with Store.open(self._run_dir) as store:
            return float(store.meta("elapsed") or 0.0)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, as nested dictionaries."""
        with Store.open(self._run_dir) as store:
            return Config.from_dict(store.meta("config") or {}).to_dict()

    @property
    def comparison(self) -> list[Compared] | None:
        """The winner and the handwritten layers on the test set, the best first.

        None before the final stage, which `final=False` leaves out.
        """
        with Store.open(self._run_dir) as store:
            table = store.meta("comparison")
        if table is None:
            return None
        names = [field.name for field in dataclasses.fields(Compared)]
        return [Compared(**{name: entry.get(name) for name in names}) for entry in table]

    def report(self) -> pathlib.Path:
        """Writes the report and its figures into the run folder; returns the report's path."""
        from search import report  # imports matplotlib, which is slow

        return report.write(self._run_dir)

    def resume(self, minutes: float | None = None, workers: int | None = None) -> "SearchRun":
        """Continues the search, like `search.resume`, with the functions that it began with."""
        return resume(self._run_dir, trust=self._trust, minutes=minutes, workers=workers)


def run(
    *,
    run_dir: str | os.PathLike,
    data: str | _Function | Sequence[Any] | None = None,
    anchors: str | _Function | Sequence[str | _Function] | None = None,
    minutes: float | None = None,
    preset: str = "demo",
    import_from: Sequence[str | os.PathLike] = (),
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
      import_from: run folders, whose ten best layers are the first genotypes, or graphs' files.
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
    execution.check_that_workers_can_start()
    config = settings.merged(presets.preset(preset), given.named(fields))
    short: dict[str, dict[str, Any]] = {
        "evaluation": {"anchors": anchors},
        "method": {"max_minutes": minutes, "seed": seed},
    }
    for section, values in short.items():
        chosen = {name: given.named(value) for name, value in values.items() if value is not None}
        config = settings.merged(config, {section: chosen})
    config = _with_workers(config, workers)
    with execution.created(run_dir, config, data, import_from) as store:
        for line in lifecycle.places(store):
            print(line, file=sys.stderr)
        config = Config.from_dict(store.meta("config"))
        execution.execute(store, config, final)
    return SearchRun(run_dir, trust=tuple(execution.texts(config.to_dict())))


def resume(
    run_dir: str | os.PathLike,
    *,
    trust: Sequence[str | _Function] = (),
    minutes: float | None = None,
    workers: int | None = None,
    final: bool = True,
) -> SearchRun:
    """Continues a search that was stopped or killed, or one that ended for more minutes.

    Args:
      run_dir: the run folder.
      trust: the run's functions and data sets of tensorflow-datasets, which are imported only if
        they are given again: a run folder may come from anyone.
      minutes: the time to search from now on, in place of what is left of the run's own. The final
        stage then runs again.
      workers: number of evaluations at once, from now on; the run keeps its own.
      final: as in `run`.

    Raises:
      SearchError: in one line, for a folder without a run, for a function that is not given
        again, and for data and functions that have changed.

    Example:
      run = search.resume("runs/mine", trust=[build], minutes=10)
    """
    execution.check_that_workers_can_start()
    with Store.open(run_dir, controller=True) as store:
        names = [given.named(each) for each in trust]
        execution.check_known(store, trust, names)
        config = lifecycle.load_config(store, names)
        _with_workers(config, workers)  # raises before anything changes
        if minutes is not None:
            config = lifecycle.extend(store, config, minutes)
        execution.execute(store, _with_workers(config, workers), final)
    return SearchRun(run_dir, trust=names)


def _with_workers(config: Config, workers: int | None) -> Config:
    return config if workers is None else settings.with_workers(config, workers)


def open(run_dir: str | os.PathLike) -> SearchRun:
    """A search that exists; it may be running in another process.

    Args:
      run_dir: the run folder.

    Raises:
      SearchError: for a folder without a run.

    Example:
      print(search.open("runs/mine").best[0].formula)
    """
    return SearchRun(run_dir)
