"""`Controller`: the search's loop, asynchronous and steady-state (paper section 4.1).

Whatever a candidate's fate, it is in the store before the next one is born. A candidate's
birth draws from a generator seeded by (seed, id) and its evaluation from the seed alone, so
the store is all the state there is: with one worker, a resumed run equals one that was
never interrupted.
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
from evonorm_tf.layer_graph import LayerGraph
from search import selection, space
from search.config import Config
from search.events import Event, Progress
from search.pool import Answer, WorkerPool
from search.probe import FREE_REASONS, check_structure
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
      new_pool: makes what runs the evaluations; default: `WorkerPool`.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        progress: Progress,
        new_pool: Callable[[Config], Any] | None = None,
    ):
        self._config, self._store, self._progress = config, store, progress
        self._new_pool = new_pool or WorkerPool
        self._by_id = {row.id: row for row in store.candidates()}
        self._members = [row for row in self._by_id.values() if row.is_member]
        self._known: dict[str, int] = {}
        self._queue: deque[int] = deque()
        self._waiting: dict[int, list[int]] = defaultdict(list)
        self._attempts: Counter[int] = Counter()
        self._born = max(self._by_id, default=0)
        for row in self._by_id.values():
            self._take_up(row)
        own = [row for row in self._by_id.values() if row.origin != "baseline"]
        self._counts = Counter(row.status for row in own)
        self._reasons = Counter(row.reason for row in own if row.status in ("rejected", "failed"))
        self._best = next(iter(store.top(1)), None)
        self._elapsed_before = float(store.meta("elapsed", 0.0))
        self._start = time.monotonic()
        self._finished = 0

    def run(self) -> None:
        """Searches until the budget is used and everything in flight has ended."""
        self._tell("started")
        with self._new_pool(self._config) as pool:
            while True:
                while pool.has_idle and self._start_next(pool):
                    pass
                if not pool.is_busy:
                    return
                for answer in pool.wait(timeout=1.0):
                    self._take(answer, pool)
                self._tell("tick")

    def _take_up(self, row: Candidate) -> None:
        """Restores what memory knows about a row of an earlier session."""
        if row.status in ("pending", "running"):
            self._queue.append(row.id)
        elif row.status in ("accepted", "rejected") and row.origin != "baseline":
            self._learn(row)

    def _learn(self, row: Candidate) -> None:
        self._known.setdefault(LayerGraph.from_json(row.graph).fingerprint(), row.id)
        if row.fingerprint is not None:
            self._known.setdefault(row.fingerprint, row.id)

    def _forget(self, row: Candidate) -> None:
        """A failure says nothing about other layers of the same function."""
        self._known = {key: number for key, number in self._known.items() if number != row.id}

    def _start_next(self, pool: WorkerPool) -> bool:
        """Starts a waiting or a new candidate; False when there is nothing more to start."""
        if self._queue:
            row = self._by_id[self._queue.popleft()]
        elif self._share_used() < 1.0:
            row = self._birth()
        else:
            return False
        if row.origin == "baseline":
            self._write(row, status="running")
            pool.submit((row.id, "evaluate"), "evaluate", row.graph or row.name, False)
            return True
        graph = LayerGraph.from_json(row.graph)
        reason = check_structure(graph) if self._rejects_freely else None
        if reason is not None:
            self._finish(row, status="rejected", reason=reason)
        elif self._resolve_duplicate(row, graph.fingerprint(), pool):
            pass
        elif self._rejects_freely or self._config.evaluation.equivalence_cache:
            self._write(row, status="running", host=_HOST)
            pool.submit((row.id, "probe"), "probe", row.graph)
        else:
            self._evaluate(row, pool)
        return True

    @property
    def _rejects_freely(self) -> bool:
        return self._config.rejects and self._config.evaluation.free_rejections

    def _birth(self) -> Candidate:
        """The next candidate: a mutant of a tournament's winner, or a random graph."""
        method, batch_independent = self._config.method, self._config.space.batch_independent
        self._born += 1
        rng = np.random.default_rng((method.seed, self._born))
        parent = None
        if self._breeds() and rng.random() >= method.fresh_fraction:
            parent = self._winner(rng)
            graph = LayerGraph.from_json(parent.graph)
            for _ in range(method.mutations):
                graph = space.mutate_graph(graph, rng, batch_independent)
        else:
            graph = space.sample_graph(rng, self._config.space.num_nodes, batch_independent)
        graph = dataclasses.replace(graph, name=f"candidate_{self._born}")
        row = Candidate(
            self._born,
            "random" if parent is None else "mutation",
            parent=None if parent is None else parent.id,
            graph=graph.to_json(),
            formula=graph.formula(),
            created=time.time(),
        )
        self._store.add(row)
        self._by_id[row.id] = row
        self._counts[row.status] += 1
        self._tell("sampled", row)
        return row

    def _breeds(self) -> bool:
        method = self._config.method
        return method.algorithm == "evolution" and len(self._members) >= method.initial_members

    def _winner(self, rng: np.random.Generator) -> Candidate:
        method = self._config.method
        members = selection.active(self._population(), method.window)
        scores = [[m.scores[anchor] for anchor in self._config.evaluation.anchors] for m in members]
        return members[
            selection.tournament(scores, rng, method.tournament_fraction, method.criterion)
        ]

    def _population(self) -> list[Candidate]:
        """The newest genotype of each function, in order of birth.

        A duplicate renews its function's place and takes no second one. Otherwise the
        duplicates of the first good layer, which cost nothing, would fill the window.
        """
        newest = {}
        for member in sorted(self._members, key=lambda m: m.id):
            newest[member.duplicate_of or member.id] = member
        return sorted(newest.values(), key=lambda m: m.id)

    def _take(self, answer: Answer, pool: WorkerPool) -> None:
        number, stage = answer.tag
        row = self._by_id[number]
        if answer.kind == "died":
            self._attempts[number] += 1
            if self._attempts[number] < _ATTEMPTS:
                self._queue.append(number)
            else:
                self._finish(row, status="failed", reason="crash")
        elif answer.kind == "error":
            self._finish(row, status="failed", reason=f"error: {answer.result}")
        elif stage == "probe":
            self._take_probe(row, answer.result, pool)
        elif stage == "audit":
            self._take_audit(row, answer.result)
        else:
            outcome = dataclasses.asdict(answer.result)
            outcome["stages"] = {**(row.stages or {}), **outcome["stages"]}
            outcome["seconds"] += (row.stages or {}).get("probe", {}).get("seconds", 0.0)
            self._finish(row, **outcome)

    def _take_probe(self, row: Candidate, probed: dict, pool: WorkerPool) -> None:
        stages = {"probe": {"seconds": probed["seconds"]}}
        found = {"stages": stages, "seconds": probed["seconds"]}
        if probed["reason"] is not None and self._rejects_freely:
            self._finish(row, status="rejected", reason=probed["reason"], **found)
            return
        row = self._write(row, fingerprint=probed["fingerprint"], **found)
        if not self._resolve_duplicate(row, probed["fingerprint"], pool):
            self._evaluate(row, pool)

    def _evaluate(self, row: Candidate, pool: WorkerPool) -> None:
        row = self._write(row, status="running", host=_HOST)
        if self._config.evaluation.equivalence_cache:
            self._learn(row)
        pool.submit((row.id, "evaluate"), "evaluate", row.graph, self._config.rejects)

    def _resolve_duplicate(self, row: Candidate, key: str | None, pool: WorkerPool) -> bool:
        """Lets a known function's outcome stand for the candidate's, or waits for it."""
        if key is None or not self._config.evaluation.equivalence_cache:
            return False
        original = self._by_id.get(self._known.get(key, row.id))
        if original is None or original.id == row.id:
            return False
        if original.status in ("pending", "running"):
            self._waiting[original.id].append(row.id)
            self._write(row, status="pending")
            return True
        audit = np.random.default_rng((self._config.method.seed, row.id, 1)).random()
        if audit < self._config.evaluation.audit_fraction:
            self._write(row, status="running", duplicate_of=original.id)
            pool.submit((row.id, "audit"), "evaluate", row.graph, self._config.rejects)
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

    def _take_audit(self, row: Candidate, outcome) -> None:
        """Writes a second training's result beside the original's, which still counts."""
        original = self._by_id[row.duplicate_of]
        agrees = (outcome.status, outcome.reason) == (original.status, original.reason)
        difference = None
        if agrees and outcome.scores:
            difference = max(abs(outcome.scores[a] - original.scores[a]) for a in outcome.scores)
        audit = {"status": outcome.status, "scores": outcome.scores, "agrees": agrees}
        stages = {**(row.stages or {}), "audit": {**audit, "largest_difference": difference}}
        self._finish_duplicate(row, original, stages=stages, seconds=outcome.seconds)

    def _finish(self, row: Candidate, **fields) -> None:
        row = self._write(row, finished=time.time(), host=_HOST, **fields)
        self._store.set_meta("elapsed", self._elapsed())
        self._finished += 1
        if row.origin != "baseline":
            if row.status in ("rejected", "failed"):
                self._reasons[row.reason] += 1
            if row.is_member:
                self._members.append(row)
            if row.status in ("accepted", "rejected") and row.duplicate_of is None:
                self._learn(row)
            if row.status == "failed":
                self._forget(row)
            if row.status == "accepted" and (
                self._best is None or row.fitness > self._best.fitness
            ):
                self._best = row
        self._tell("finished", row)
        for number in self._waiting.pop(row.id, ()):
            waiting = self._by_id[number]
            if row.status == "failed":
                self._finish(waiting, status="failed", reason=row.reason, duplicate_of=row.id)
            else:
                self._finish_duplicate(waiting, row)

    def _write(self, row: Candidate, **fields) -> Candidate:
        self._store.update(row.id, **fields)
        new = dataclasses.replace(row, **fields)
        if row.origin != "baseline":
            self._counts[row.status] -= 1
            self._counts[new.status] += 1
        self._by_id[row.id] = new
        return new

    def _sampled(self) -> int:
        return self._born - len(self._config.baselines)

    def _elapsed(self) -> float:
        return self._elapsed_before + time.monotonic() - self._start

    def _share_used(self) -> float:
        """How much of the tightest budget is used; 0 without one."""
        method = self._config.method
        shares = [0.0]
        if method.max_candidates is not None:
            shares.append(self._sampled() / method.max_candidates)
        if method.max_trained is not None:
            shares.append(self._counts["accepted"] / method.max_trained)
        if method.max_minutes is not None:
            shares.append(self._elapsed() / max(method.max_minutes * 60, 1e-9))
        return max(shares)

    def _tell(self, kind: str, candidate: Candidate | None = None) -> None:
        elapsed = self._elapsed()
        session = elapsed - self._elapsed_before
        share = self._share_used()
        method = self._config.method
        bounded = any((method.max_candidates, method.max_trained, method.max_minutes))
        self._progress.update(
            Event(
                kind,
                candidate,
                sampled=self._sampled(),
                counts={status: n for status, n in self._counts.items() if n},
                reasons=dict(self._reasons),
                best=self._best,
                elapsed=elapsed,
                per_minute=60 * self._finished / session if session > 0 else 0.0,
                share=min(share, 1.0) if bounded else None,
                left=_time_left(elapsed, share) if bounded else None,
            )
        )


def _time_left(elapsed: float, share: float) -> float | None:
    if share <= 0:
        return None
    left = elapsed * (1 / share - 1)
    return max(left, 0.0) if math.isfinite(left) else None
