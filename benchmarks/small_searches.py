"""Runs of the search on the digits, in minutes, for the experiments about the method.

What counts in them is the difference between methods, so trainings are shorter than the demo's.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from search import lifecycle
from search.cli import quiet_tensorflow
from search.config import Config
from search.errors import SearchError
from search.presets import preset
from search.progress.lines import LogLines
from search.storage.database import DATABASE
from search.storage.store import Store

_SETTINGS = (
    "evaluation.steps=100",
    "evaluation.batch_size=16",
    "evaluation.stability_steps=10",
    "method.initial_members=1",
    "evaluation.reject_unnormalized=false",
    "method.max_minutes=none",
)


def configure(algorithm: str, seed: int, budget: str, workers: int) -> Config:
    """The demo's configuration for one run of an experiment, without baselines.

    `budget` is a field of `method` and its value, such as "max_evaluated=200".
    """
    settings = [
        *_SETTINGS,
        f"method.algorithm={algorithm}",
        f"method.seed={seed}",
        f"method.{budget}",
        f"workers={workers}",
    ]
    values = preset("demo").override(settings).to_dict()
    return Config.from_dict({**values, "preset": "experiment", "baselines": []})


def run(path: pathlib.Path, config: Config) -> Store:
    """Runs a search, or the rest of one, and returns its store; the caller closes it."""
    quiet_tensorflow()
    if (path / DATABASE).exists():
        store = Store.open(path, controller=True)
        config = dataclasses.replace(lifecycle.load_config(store), method=config.method)
    else:
        store = lifecycle.create(path, config)
    lifecycle.execute(store, config, LogLines(sys.stderr), with_final=False)
    return store


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """A command with the options that these experiments share."""
    found = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=description)
    found.add_argument("--run-dir", type=pathlib.Path, required=True, help="keeps the searches")
    found.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs/search"))
    found.add_argument("--workers", type=int, default=2)
    return found


def execute(experiment: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Runs an experiment; returns the exit code, after a line that says what was wrong."""
    try:
        _make(options.out)
        experiment(options)
    except SearchError as error:
        print(f"search: {error}", file=sys.stderr)
        return 1
    return 0


def _make(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SearchError(f"cannot write into {folder}: {error.strerror}") from None


def keep(name: str, result: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Writes the numbers of an experiment."""
    text = json.dumps(result, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
