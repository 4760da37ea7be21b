"""After the search: reranking in wider networks, and final accuracies on the test split.

Both train from scratch, with seeds that nothing before has used. The reranking (paper section 5,
appendix C) scores the best genotypes on examples held out of the training and validation splits;
the first one is the winner. The comparison trains the winner and the baselines as in the search,
and scores them on the test split, which is used for nothing else.
"""

import dataclasses
import statistics
from typing import Any

from evonorm_tf.graph.idea import idea
from search.config import Config
from search.errors import SearchError
from search.evaluation.outcome import ScoreTask
from search.progress.events import Event, Progress
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of
from search.storage.store import Store
from search.workers.choice import new_pool

# Added to the search's own seed, so that no training repeats one of the search's.
_FRESH_SEED = 100_000
# Among so many times as many genotypes, ideas are looked for.
_MOST_SPELLINGS = 20


def rerank(store: Store, config: Config, progress: Progress) -> list[dict[str, Any]]:
    """Trains the best genotypes again; stores and returns the new order.

    Returns:
      Dictionaries of `id`, `formula`, `networks` (anchor -> mean accuracy) and `mean`, best
      first; the store's meta "rerank" is the same.

    Raises:
      SearchError: if no genotype was accepted.
    """
    best = _best_ideas(store, config.rerank.top_k)
    if not best:
        raise SearchError(f"{store.run_dir}: no genotype was accepted, so there is none to rerank")
    settings, anchors = config.rerank, config.evaluation.anchors
    first = config.method.seed + _FRESH_SEED
    seeds = range(first, first + settings.seeds)
    tasks = {
        (row.id, anchor, seed): ScoreTask(
            row.require_layer(), anchor, settings.width, settings.steps, seed, settings.held_out
        )
        for seed in seeds
        for anchor in anchors
        for row in best
    }
    scores = _run(tasks, config, progress, f"training the best {len(best)} again")
    best = _with_scores(best, scores)
    ranking: list[dict[str, Any]] = [
        {
            "id": row.id,
            "formula": row.formula,
            "networks": {
                anchor: statistics.fmean(scores[row.id, anchor, seed] for seed in seeds)
                for anchor in anchors
            },
            "mean": statistics.fmean(
                scores[row.id, anchor, seed] for anchor in anchors for seed in seeds
            ),
        }
        for row in best
    ]
    ranking.sort(key=lambda entry: -entry["mean"])
    store.set_meta("rerank", ranking)
    return ranking


def compare(store: Store, config: Config, progress: Progress) -> list[dict[str, Any]]:
    """Trains the winner and the baselines with several seeds; scores them on the test split.

    Returns:
      Dictionaries of `id`, `name` (of a baseline), `formula`, `accuracies` (anchor -> one
      for each seed), `mean`, best first; the store's meta "comparison" is the same.

    Raises:
      SearchError: if no genotype was accepted.
    """
    layers = [*_winner(store), *store.baselines()]
    # Not those of the reranking either, which has chosen the winner by them.
    first = config.method.seed + _FRESH_SEED + config.rerank.seeds
    seeds = range(first, first + config.rerank.final_seeds)
    tasks = {
        (row.id, anchor, seed): ScoreTask(
            row.require_layer(), anchor, 1.0, config.evaluation.steps, seed, None
        )
        for seed in seeds
        for anchor in config.evaluation.anchors
        for row in layers
    }
    scores = _run(tasks, config, progress, "training the winner and the baselines for the test")
    layers = _with_scores(layers, scores)
    table: list[dict[str, Any]] = []
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


def _with_scores(rows: list[Candidate], scores: dict[Any, float | None]) -> list[Candidate]:
    """The layers whose objective was finite in each training."""
    without = {number for (number, *_), score in scores.items() if score is None}
    return [row for row in rows if row.id not in without]


def _best_ideas(store: Store, count: int) -> list[Candidate]:
    """The genotypes of the highest fitness, each idea once."""
    ideas: dict[str, Candidate] = {}
    for row in store.top(_MOST_SPELLINGS * count):
        ideas.setdefault(idea(graph_of(row)), row)
    return list(ideas.values())[:count]


def _winner(store: Store) -> list[Candidate]:
    ranking = store.meta("rerank")
    best = [store.candidate(ranking[0]["id"])] if ranking else store.top(1)
    if not best:
        raise SearchError(f"{store.run_dir}: no genotype was accepted, so there is no winner")
    return best


def _run(
    tasks: dict[Any, ScoreTask], config: Config, progress: Progress, text: str
) -> dict[Any, Any]:
    """Runs all tasks on a pool. Raises SearchError if one fails."""
    progress.update(Event("stage", text=text))
    scores: dict[Any, float | None] = {}
    waiting = list(tasks.items())[::-1]
    workers = min(config.workers, len(tasks))
    with new_pool(dataclasses.replace(config, workers=workers)) as pool:
        while waiting or pool.is_busy:
            while waiting and pool.has_idle:
                key, task = waiting.pop()
                pool.submit(key, "score", task)
            for answer in pool.wait(timeout=1.0):
                if answer.kind != "ok":
                    raise SearchError(f"{text} failed: {answer.result or 'a worker was killed'}")
                scores[answer.tag] = answer.result
    return scores
