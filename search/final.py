"""After the search: reranking in larger networks, and final numbers on the test split.

Both train from scratch with seeds that the search has not used. Reranking (paper section
4.4, appendix C) scores the best genotypes on examples held out of train and validation, and
names the winner; then the winner and the baselines are trained as in the search and scored
on the test split, which nothing has touched before.
"""

import dataclasses
import statistics
from collections.abc import Iterator
from typing import Any

from search.config import Config
from search.errors import SearchError
from search.evaluation.outcome import ScoreTask
from search.progress.events import Event, Progress
from search.storage.store import Candidate, Store
from search.workers.local import WorkerPool, ray_pool

# Far from the search's own seed, so that no training repeats one of the search's.
_FRESH_SEED = 100_000


def rerank(store: Store, config: Config, progress: Progress) -> list[dict[str, Any]]:
    """Re-trains the best genotypes in wider networks; writes and returns the new order.

    Returns:
      Dictionaries of `id`, `formula`, `networks` (anchor -> accuracy) and `mean`, best
      first; also the store's meta "rerank".

    Raises:
      SearchError: when no genotype was accepted.
    """
    best = store.top(config.rerank.top_k)
    if not best:
        raise SearchError(f"{store.run_dir}: no genotype was accepted, so there is none to rerank")
    settings, anchors = config.rerank, config.evaluation.anchors
    seed = config.method.seed + _FRESH_SEED
    tasks = {
        (row.id, anchor): ScoreTask(
            row.graph, anchor, settings.width, settings.steps, seed, settings.held_out
        )
        for anchor in anchors
        for row in best
    }
    scores = _run(tasks, config, progress, f"reranking the best {len(best)} in wider networks")
    ranking = [
        {
            "id": row.id,
            "formula": row.formula,
            "networks": {anchor: scores[row.id, anchor] for anchor in anchors},
            "mean": statistics.fmean(scores[row.id, anchor] for anchor in anchors),
        }
        for row in best
    ]
    ranking.sort(key=lambda entry: -entry["mean"])
    store.set_meta("rerank", ranking)
    return ranking


def compare(store: Store, config: Config, progress: Progress) -> list[dict[str, Any]]:
    """Trains the winner and the baselines alike, several times; scores on the test split.

    Returns:
      Dictionaries of `id`, `name` (of a baseline), `formula`, `accuracies` (anchor -> one
      for each seed), `mean`, best first; also the store's meta "comparison".

    Raises:
      SearchError: when no genotype was accepted.
    """
    layers = [*_winner(store), *store.baselines()]
    first = config.method.seed + _FRESH_SEED
    seeds = range(first, first + config.rerank.final_seeds)
    tasks = {
        (row.id, anchor, seed): ScoreTask(
            row.graph or row.name, anchor, 1.0, config.evaluation.steps, seed, None
        )
        for seed in seeds
        for anchor in config.evaluation.anchors
        for row in layers
    }
    scores = _run(tasks, config, progress, "training the winner and the baselines for the test")
    table = []
    for row in layers:
        accuracies = {
            anchor: [scores[row.id, anchor, seed] for seed in seeds]
            for anchor in config.evaluation.anchors
        }
        mean = statistics.fmean(value for values in accuracies.values() for value in values)
        entry = {"id": row.id, "name": row.name, "formula": row.formula}
        table.append({**entry, "accuracies": accuracies, "mean": mean})
    table.sort(key=lambda entry: -entry["mean"])
    store.set_meta("comparison", table)
    return table


def _winner(store: Store) -> Iterator[Candidate]:
    ranking = store.meta("rerank")
    best = [store.candidate(ranking[0]["id"])] if ranking else store.top(1)
    if not best:
        raise SearchError(f"{store.run_dir}: no genotype was accepted, so there is no winner")
    yield from best


def _pool_of(config: Config, tasks: int) -> Any:
    if config.executor == "ray":
        return ray_pool(config)
    return WorkerPool(dataclasses.replace(config, workers=min(config.workers, tasks)))


def _run(
    tasks: dict[Any, ScoreTask], config: Config, progress: Progress, text: str
) -> dict[Any, float]:
    """Runs all tasks on the workers; any failure ends the stage."""
    progress.update(Event("stage", text=text))
    scores: dict[Any, float] = {}
    waiting = list(tasks.items())[::-1]
    with _pool_of(config, len(tasks)) as pool:
        while waiting or pool.is_busy:
            while waiting and pool.has_idle:
                key, task = waiting.pop()
                pool.submit(key, "score", task)
            for answer in pool.wait(timeout=1.0):
                if answer.kind != "ok":
                    raise SearchError(f"{text} failed: {answer.result or 'a worker was killed'}")
                scores[answer.tag] = answer.result
    return scores
