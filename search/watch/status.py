"""`Status`: how far a search is, read from its database in a few short queries."""

import dataclasses
import itertools
import os
import statistics
import time
from collections.abc import Mapping
from typing import Any

from search.config import Config
from search.controller.budget import seconds_left, share_used
from search.evaluation.outcome import TRAINED_REASONS
from search.storage.candidate import Candidate
from search.storage.store import Store

# So many newest candidates are searched for the evaluations of the last minutes.
_NEWEST = 20_000
_MINUTES = 5
_MOST_RUNNING, _MOST_MEMBERS = 50, 5


@dataclasses.dataclass(frozen=True)
class Population:
    """The members that can be parents: of each function the newest, as many as the window has."""

    size: int
    window: int
    best: float
    median: float
    newest: tuple[Candidate, ...]


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a search at one moment.

    Attributes:
      config: its configuration.
      counts: number of genotypes of each status.
      elapsed: seconds of searching.
      share: used share of the budget, 0 to 1; None without a budget.
      left: seconds to its end at the present pace.
      stage: "baselines", "searching", "reranking", "comparing" or "finished", as far as the
        database shows.
      best: the best layer, if there is one.
      running: candidates that are being evaluated, at most 50.
      per_minute: evaluations a minute of each host, in the last five minutes.
      cluster: figures of the cluster, with the executor "ray".
      version: changes whenever the report would.
    """

    config: Config
    counts: Mapping[str, int]
    elapsed: float
    share: float | None
    left: float | None
    stage: str
    best: Candidate | None
    running: tuple[Candidate, ...]
    per_minute: Mapping[str, float]
    cluster: Mapping[str, Any] | None
    version: tuple


def read_status(run_dir: str | os.PathLike) -> Status:
    """Reads the state of a run.

    Raises:
      SearchError: as `Store.open` does, and for a value of a wrong type.
    """
    with Store.open(run_dir) as store:
        config = Config.from_dict(store.meta("config") or {})
        counts, elapsed = store.counts(), float(store.meta("elapsed") or 0.0)
        stages = tuple(store.meta(key) is not None for key in ("rerank", "comparison"))
        baselines = tuple(row.status for row in store.baselines())
        # Counting reasons reads all rejected genotypes, so it is done only for the one limit.
        reasons = {} if config.method.max_evaluated is None else store.reasons()
        share = _share(config, counts, reasons, elapsed)
        finished = store.finished_since(time.time() - 60 * _MINUTES, _NEWEST)
        minutes = min(_MINUTES, max(elapsed / 60, 1 / 60))
        return Status(
            config=config,
            counts=counts,
            elapsed=elapsed,
            share=share,
            left=None if share is None else seconds_left(elapsed, share),
            stage=_stage(counts, share, *stages),
            best=next(iter(store.top(1)), None),
            running=tuple(store.candidates("running")[:_MOST_RUNNING]),
            per_minute={host: count / minutes for host, count in finished.items()},
            cluster=store.meta("cluster"),
            version=(tuple(counts.items()), baselines, stages),
        )


def read_population(run_dir: str | os.PathLike, config: Config) -> Population | None:
    """Reads the active members; None without any. It takes long where few genotypes are members.

    Raises:
      SearchError: as `read_status` does.
    """
    window = config.method.window
    active: dict[int, Candidate] = {}
    with Store.open(run_dir) as store:
        for row in store.members():
            active.setdefault(row.function if config.method.renewal else row.id, row)
            if len(active) == window:
                break
    if not active:
        return None
    scores = [row.require_fitness() for row in active.values()]
    newest = tuple(itertools.islice(active.values(), _MOST_MEMBERS))
    return Population(len(active), window, max(scores), statistics.median(scores), newest)


def _share(
    config: Config, counts: Mapping[str, int], reasons: Mapping[str, int], elapsed: float
) -> float | None:
    method, trained = config.method, counts.get("accepted", 0)
    limits = (method.max_candidates, method.max_evaluated, method.max_trained, method.max_minutes)
    if not any(limits):
        return None
    evaluated = trained + sum(reasons.get(reason, 0) for reason in TRAINED_REASONS)
    return min(share_used(method, sum(counts.values()), evaluated, trained, elapsed), 1.0)


def _stage(
    counts: Mapping[str, int], share: float | None, is_reranked: bool, is_compared: bool
) -> str:
    is_open = any(counts.get(status) for status in ("pending", "running"))
    if not counts:
        return "baselines"
    if is_open or share is None or share < 1.0:
        return "searching"
    return "finished" if is_compared else "comparing" if is_reranked else "reranking"
