"""A whole run: the search, the files of its best graphs, the reranking, the comparison."""

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Collection, Sequence

from evonorm_tf import files, registry
from search import final, imports, names, settings, sources
from search.config import Config
from search.controller.loop import Controller
from search.errors import SearchError
from search.progress.events import Progress
from search.storage import ranking
from search.storage.candidate import Candidate
from search.storage.database import BEST
from search.storage.store import Store
from search.storage.values import printable
from search.workers import preparation

CONFIG_FILE = "config.json"
DATA_FILE = "data.npz"
_BEST_FILES = 10


def create(
    run_dir: str | os.PathLike,
    config: Config,
    arrays: pathlib.Path | None = None,
    import_from: Sequence[str | os.PathLike] = (),
) -> Store:
    """Makes a run folder with its configuration, baselines and imported layers.

    Args:
      run_dir: the folder.
      config: the configuration.
      arrays: the file of `evaluation.data`, if it is to be moved into the run folder.
      import_from: run folders and files whose layers are the first genotypes (`imports.read`).

    Raises:
      SearchError: for an unknown baseline, for data, a network or a layer to import that cannot
        be used, and as `Store.create` does.
    """
    _check_baselines(config)
    checked = sources.check_new(config)
    if arrays is not None:
        home = str(pathlib.Path(run_dir).absolute() / DATA_FILE)
        digests = checked[sources.META]
        digests[home] = digests.pop(config.evaluation.data)
        config = settings.merged(config, {"evaluation": {"data": home}})
    imported = {imports.META: imports.read(import_from, config)} if import_from else {}
    meta = {"config": config.to_dict(), "seed": config.method.seed, **checked, **imported}
    store = Store.create(run_dir, meta)
    if arrays is not None:
        _move(arrays, store.run_dir / DATA_FILE)
    add_first(store, config)
    return store


def load_config(store: Store, trusted: Collection[str] = ()) -> Config:
    """The configuration that the run was made with, to go on with it.

    Args:
      store: the run.
      trusted: which of the run's functions and data sets may be imported.

    Raises:
      SearchError: for a database without one, or with wrong values in it; for data or a network
        that is not trusted, or has changed.
    """
    values = store.meta("config")
    if values is None:
        raise SearchError(f"{store.run_dir}: the database has no configuration")
    config = Config.from_dict(values)
    sources.check_again(config, store, trusted)
    return config


def extend(store: Store, config: Config, minutes: float) -> Config:
    """Lets the search go on for so many minutes more; the final stage will run again.

    Raises:
      SearchError: for a negative number.
    """
    settings.merged(config, {"method": {"max_minutes": minutes}})  # raises for a wrong value
    limit = float(store.meta("elapsed") or 0.0) / 60 + minutes
    config = settings.merged(config, {"method": {"max_minutes": limit}})
    with store.batch():
        for key, value in (("config", config.to_dict()), ("rerank", None), ("comparison", None)):
            store.set_meta(key, value)
    return config


def add_first(store: Store, config: Config) -> None:
    """Adds the run's first candidates that it lacks: handwritten layers, then imported ones."""
    _add_baselines(store, config)
    imports.add(store, config)


def _add_baselines(store: Store, config: Config) -> None:
    present = {row.id for row in store.baselines()}
    for number, name in enumerate(config.baselines, start=1):
        if number in present:
            continue
        graph = registry.graph(name)
        row = Candidate(number, "baseline", name=name)
        if graph is not None:
            row = dataclasses.replace(row, graph=graph.to_json(), formula=graph.formula())
        store.add(row)


def execute(store: Store, config: Config, progress: Progress, with_final: bool = True) -> None:
    """Starts or resumes a search, and runs it to its end.

    Args:
      store: the run, opened as its controller.
      config: its configuration.
      progress: receives every event.
      with_final: whether to rerank the best layers and compare the winner on the test split.
    """
    _write(store.run_dir / CONFIG_FILE, json.dumps(config.to_dict(), indent=2) + "\n")
    add_first(store, config)
    Controller(config, store, progress).run()
    save_best(store)
    if with_final and store.top(1):
        if store.meta("rerank") is None:
            final.rerank(store, config, progress)
            save_best(store)
        if store.meta("comparison") is None:
            final.compare(store, config, progress)


def places(store: Store) -> list[str]:
    """Lines that say where the layer stands in networks that were made from Keras models."""
    lines = []
    for anchor, found in (store.meta(preparation.PLACES) or {}).items():
        lines += [printable(anchor), *(f"  {printable(line)}" for line in names.places(found))]
    return lines


def save_best(store: Store) -> list[pathlib.Path]:
    """Writes the best graphs to best/01_candidate_N.json and so on, reranked ones first."""
    ordered = ranking.order(store.top(_BEST_FILES), store.meta("rerank"))
    folder = store.run_dir / BEST
    chosen = {
        folder / f"{rank:02d}_candidate_{row.id}.json": row.require_layer()
        for rank, row in enumerate(ordered, start=1)
    }
    try:
        folder.mkdir(exist_ok=True)
        for path, graph in chosen.items():
            _write(path, graph)
        for old in set(folder.glob("[0-9][0-9]_candidate_*.json")) - chosen.keys():
            old.unlink()
    except OSError as error:
        raise SearchError(f"cannot write {folder}: {error.strerror}") from None
    return list(chosen)


def _check_baselines(config: Config) -> None:
    choices = registry.BUILTIN.names()
    for name in config.baselines:
        if name not in choices:
            raise SearchError(f"baselines cannot be {name!r}: it is one of {', '.join(choices)}")


def _move(path: pathlib.Path, target: pathlib.Path) -> None:
    try:
        shutil.move(path, target)
    except OSError as error:
        raise SearchError(f"cannot write {target}: {error.strerror}") from None


def _write(path: pathlib.Path, text: str) -> None:
    """Writes a file; a failure leaves no partial file. Raises SearchError for it."""
    try:
        files.write_whole(path, text.encode())
    except OSError as error:
        raise SearchError(f"cannot write {path}: {error.strerror}") from None
