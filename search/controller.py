"""`Controller`: the search's loop, asynchronous and steady-state (paper section 4.1).

Whatever a candidate's fate, it is in the store before the next one is born. A candidate's
birth draws from a generator seeded by (seed, id) and its evaluation from the seed alone, so
the store is all the state there is: with one worker, a resumed run equals one that was
never interrupted. Each turn of the loop is one transaction, which ends before the loop waits.
"""

import dataclasses
import math
import socket
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from evonorm_tf import registry
from evonorm_tf.graph.layer_graph import LayerGraph
from search import space
from search.config import Config
from search.events import Cluster, Event, Progress
from search.free_rejection import FREE_REASONS, check_structure
from search.ledger import Ledger
from search.pool import Answer, WorkerPool, ray_pool
from search.store import Candidate, Store

# A candidate whose worker dies this often is what kills it.
_ATTEMPTS = 3
_HOST = socket.gethostname()


def add_baselines(store: Store, config: Config) -> None:
    """Writes the handwritten layers as the run's first rows, to be trained like the rest."""
    present = {row.id for row in store.baselines()}
    for number, name in enumerate(config.baselines, start=1):
        if number in present:
            continue
        graph = registry.graph(name)
        store.add(
            Candidate(
                number,
                "baseline",
                name=name,
                graph=None if graph is None else graph.to_json(),
                formula=None if graph is None else graph.formula(),
            )
        )


class Controller:
    """Breeds candidates, has them evaluated and writes down what came of it.

    Args:
      config: the run's configuration.
      store: the run, opened as its controller.
      progress: is told of every event.
      new_pool: makes what runs the evaluations; default: what the configuration asks for.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        progress: Progress,
        new_pool: Callable[[Config], Any] | None = None,
    ):
        self._config, self._store, self._progress = config, store, progress
        self._new_pool = new_pool or _pool_of
        self._cluster: Callable[[], Cluster | None] = lambda: None
        self._ledger = Ledger(config, store)
        self._queue = deque(self._ledger.open_ids)
        self._in_flight: dict[int, str] = {}
        self._waiting: dict[int, list[int]] = defaultdict(list)
        self._attempts: Counter[int] = Counter()
        self._elapsed_before = float(store.meta("elapsed", 0.0))
        self._start = time.monotonic()

    def run(self) -> None:
        """Searches until the budget is used and everything in flight has ended."""
        self._tell("started")
        answers: list[Answer] = []
        with self._new_pool(self._config) as pool:
            self._cluster = getattr(pool, "cluster", self._cluster)
            while True:
                with self._store.batch():
                    for answer in answers:
                        self._take(answer, pool)
                    while pool.has_idle and self._start_next(pool):
                        pass
                    self._store.set_meta("elapsed", self._elapsed())
                if not pool.is_busy:
                    return
                answers = pool.wait(timeout=1.0)
                self._tell("tick")

    def _start_next(self, pool: Any) -> bool:
        """Starts a waiting or a new candidate; False when there is nothing more to start."""
        if self._queue:
            row = self._ledger.row(self._queue.popleft())
        elif self._share_used() < 1.0:
            row = self._birth()
        else:
            return False
        if row.origin == "baseline":
            self._ledger.write(row, status="running")
            self._submit(pool, row, "evaluate", row.graph or row.name, False)
            return True
        try:
            graph = self._ledger.graph(row)
        except ValueError as error:
            self._refuse(row.id, None, f"the graph of candidate {row.id}: {error}")
            self._finish(row, status="failed", reason="invalid graph")
            return True
        reason = check_structure(graph) if self._rejects_freely else None
        if reason is not None:
            self._finish(row, status="rejected", reason=reason)
        elif self._resolve_duplicate(row, graph.fingerprint(), pool):
            pass
        elif self._rejects_freely or self._config.evaluation.equivalence_cache:
            self._ledger.write(row, status="running", host=_HOST)
            self._submit(pool, row, "probe", row.graph)
        else:
            self._evaluate(row, pool)
        return True

    def _submit(self, pool: Any, row: Candidate, stage: str, *arguments: Any) -> None:
        self._in_flight[row.id] = stage
        kind = "evaluate" if stage == "audit" else stage
        pool.submit((row.id, stage), kind, *arguments)

    @property
    def _rejects_freely(self) -> bool:
        return self._config.rejects and self._config.evaluation.free_rejections

    def _birth(self) -> Candidate:
        """The next candidate: a mutant of a tournament's winner, or a random graph."""
        method, batch_independent = self._config.method, self._config.space.batch_independent
        self._ledger.born += 1
        number = self._ledger.born
        rng = np.random.default_rng((method.seed, number))
        parent = None
        if self._breeds() and rng.random() >= method.fresh_fraction:
            parent = self._ledger.population.winner(rng)
            nodes = parent.graph.nodes
            for _ in range(method.mutations):
                nodes = space.mutate_nodes(nodes, rng, batch_independent)
        else:
            nodes = space.sample_nodes(rng, self._config.space.num_nodes, batch_independent)
        graph = LayerGraph(nodes, f"candidate_{number}")
        row = Candidate(
            number,
            "random" if parent is None else "mutation",
            parent=None if parent is None else parent.id,
            graph=graph.to_json(),
            formula=graph.formula(),
            created=time.time(),
        )
        self._ledger.add(row, graph)
        self._tell("sampled", row)
        return row

    def _breeds(self) -> bool:
        method = self._config.method
        return (
            method.algorithm == "evolution"
            and self._ledger.population.count >= method.initial_members
        )

    def _take(self, answer: Answer, pool: Any) -> None:
        number, stage = answer.tag
        if self._in_flight.get(number) != stage:
            self._refuse(number, answer.host, f"no {stage} of genotype {number} is under way")
            return
        del self._in_flight[number]
        row = self._ledger.row(number)
        host = answer.host or _HOST
        if answer.kind == "refused":
            self._refuse(number, answer.host, answer.result)
        if answer.kind in ("died", "refused"):
            self._retry(row, "crash" if answer.kind == "died" else "refused")
        elif answer.kind == "error":
            self._finish(row, status="failed", reason=f"error: {answer.result}", host=host)
        elif stage == "probe":
            self._take_probe(row, answer.result, host, pool)
        elif stage == "audit":
            self._take_audit(row, answer.result, host)
        else:
            outcome = dataclasses.asdict(answer.result)
            outcome["stages"] = {**(row.stages or {}), **outcome["stages"]}
            outcome["seconds"] += (row.stages or {}).get("probe", {}).get("seconds", 0.0)
            self._finish(row, host=host, **outcome)

    def _retry(self, row: Candidate, reason: str) -> None:
        self._attempts[row.id] += 1
        if self._attempts[row.id] < _ATTEMPTS:
            self._queue.append(row.id)
        else:
            self._finish(row, status="failed", reason=reason)

    def _refuse(self, number: int, host: str | None, reason: str) -> None:
        self._ledger.refuse(number, host, reason)
        self._tell("refused", text=f"refused: {reason}")

    def _take_probe(self, row: Candidate, probed: dict, host: str, pool: Any) -> None:
        stages = {"probe": {"seconds": probed["seconds"]}}
        found = {"stages": stages, "seconds": probed["seconds"]}
        if probed["reason"] is not None and self._rejects_freely:
            self._finish(row, status="rejected", reason=probed["reason"], host=host, **found)
            return
        row = self._ledger.write(row, fingerprint=probed["fingerprint"], **found)
        if not self._resolve_duplicate(row, probed["fingerprint"], pool):
            self._evaluate(row, pool)

    def _evaluate(self, row: Candidate, pool: Any) -> None:
        row = self._ledger.write(row, status="running", host=_HOST)
        if self._config.evaluation.equivalence_cache:
            self._ledger.learn(row)
        self._submit(pool, row, "evaluate", row.graph, self._config.rejects)

    def _resolve_duplicate(self, row: Candidate, key: str | None, pool: Any) -> bool:
        """Lets a known function's outcome stand for the candidate's, or waits for it."""
        if key is None or not self._config.evaluation.equivalence_cache:
            return False
        number = self._ledger.original(key)
        if number is None or number == row.id:
            return False
        if self._ledger.is_open(number):
            self._waiting[number].append(row.id)
            self._ledger.park(self._ledger.write(row, status="pending"))
            return True
        original = self._ledger.row(number)
        audit = np.random.default_rng((self._config.method.seed, row.id, 1)).random()
        if audit < self._config.evaluation.audit_fraction:
            row = self._ledger.write(row, status="running", duplicate_of=number)
            self._submit(pool, row, "audit", row.graph, self._config.rejects)
        else:
            self._finish_duplicate(row, original)
        return True

    def _finish_duplicate(self, row: Candidate, original: Candidate, **more) -> None:
        is_free = original.status == "rejected" and original.reason in FREE_REASONS
        self._finish(
            row,
            status="rejected" if is_free else "duplicate",
            reason=original.reason,
            duplicate_of=original.id,
            fingerprint=original.fingerprint,
            scores=original.scores,
            fitness=original.fitness,
            **more,
        )

    def _take_audit(self, row: Candidate, outcome, host: str) -> None:
        """Writes a second training's result beside the original's, which still counts."""
        original = self._ledger.row(row.duplicate_of)
        agrees = (outcome.status, outcome.reason) == (original.status, original.reason)
        difference = None
        if agrees and outcome.scores:
            difference = max(abs(outcome.scores[a] - original.scores[a]) for a in outcome.scores)
        audit = {"status": outcome.status, "scores": outcome.scores, "agrees": agrees}
        stages = {**(row.stages or {}), "audit": {**audit, "largest_difference": difference}}
        self._finish_duplicate(row, original, stages=stages, seconds=outcome.seconds, host=host)

    def _finish(self, row: Candidate, host: str = _HOST, **fields) -> None:
        row = self._ledger.finish(row, host=host, **fields)
        self._attempts.pop(row.id, None)
        self._tell("finished", row)
        for number in self._waiting.pop(row.id, ()):
            waiting = self._ledger.row(number)
            if row.status == "failed":
                self._finish(waiting, status="failed", reason=row.reason, duplicate_of=row.id)
            else:
                self._finish_duplicate(waiting, row)

    def _sampled(self) -> int:
        return self._ledger.born - len(self._config.baselines)

    def _elapsed(self) -> float:
        return self._elapsed_before + time.monotonic() - self._start

    def _share_used(self) -> float:
        """How much of the tightest budget is used; 0 without one."""
        method = self._config.method
        shares = [0.0]
        if method.max_candidates is not None:
            shares.append(self._sampled() / method.max_candidates)
        if method.max_evaluated is not None:
            shares.append(self._ledger.evaluated / method.max_evaluated)
        if method.max_trained is not None:
            shares.append(self._ledger.counts["accepted"] / method.max_trained)
        if method.max_minutes is not None:
            shares.append(self._elapsed() / max(method.max_minutes * 60, 1e-9))
        return max(shares)

    def _tell(self, kind: str, candidate: Candidate | None = None, text: str = "") -> None:
        elapsed, ledger = self._elapsed(), self._ledger
        session = elapsed - self._elapsed_before
        share = self._share_used()
        method = self._config.method
        budgets = method.max_candidates, method.max_evaluated, method.max_trained
        bounded = any((*budgets, method.max_minutes))
        self._progress.update(
            Event(
                kind,
                candidate,
                text,
                sampled=self._sampled(),
                counts={status: n for status, n in ledger.counts.items() if n},
                reasons=dict(ledger.reasons),
                best=ledger.best,
                elapsed=elapsed,
                per_minute=60 * ledger.finished / session if session > 0 else 0.0,
                share=min(share, 1.0) if bounded else None,
                left=_time_left(elapsed, share) if bounded else None,
                refused=ledger.refused,
                cluster=self._cluster(),
            )
        )


def _pool_of(config: Config) -> Any:
    return WorkerPool(config) if config.executor == "local" else ray_pool(config)


def _time_left(elapsed: float, share: float) -> float | None:
    if share <= 0:
        return None
    left = elapsed * (1 / share - 1)
    return max(left, 0.0) if math.isfinite(left) else None
