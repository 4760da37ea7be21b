"""`Controller`: the search's loop, asynchronous and steady-state (paper section 4.1).

The birth of a genotype draws from a generator with the seed (seed, id), and its evaluation depends
on the seed alone, so the store has the whole state: with one worker, a resumed run equals one that
was never interrupted. Each iteration of the loop is one transaction, which ends before the loop
waits.
"""

import dataclasses
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from search.config import Config
from search.controller.breeding import birth, home, new_algorithm
from search.controller.budget import Budget
from search.controller.cache import EquivalenceCache, audit_record, inherited
from search.controller.ledger import Ledger
from search.controller.shortlist import Shortlist
from search.controller.tasks import Tasks
from search.controller.telemetry import Telemetry
from search.errors import SearchError
from search.evaluation.outcome import UNPROMISING, Outcome
from search.evolution.space import check_structure
from search.progress.events import Progress
from search.storage.candidate import Candidate
from search.storage.store import Store
from search.workers.choice import new_pool
from search.workers.pool import Answer, Pool

_HOST = socket.gethostname()


class Controller:
    """Breeds genotypes, sends them to the pool, and stores their verdicts.

    Args:
      config: the run's configuration.
      store: the run, opened as its controller.
      progress: receives every event.
      make_pool: makes the pool; default: the pool that the configuration names.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        progress: Progress,
        make_pool: Callable[[Config], Pool] | None = None,
    ):
        self._config, self._store = config, store
        self._make_pool = make_pool or new_pool
        self._algorithm = new_algorithm(config)
        self._ledger = Ledger(config, store)
        self._cache = EquivalenceCache(config, self._ledger)
        self._budget = Budget(config.method, self._ledger, float(store.meta("elapsed", 0.0)))
        self._telemetry = Telemetry(progress, self._ledger, self._budget)
        self._emit = self._telemetry.emit
        self._queue = deque(self._ledger.open_ids)
        self._shortlist = Shortlist(config, self._ledger)
        self._rejects_freely = config.rejects and config.evaluation.free_rejections

    def run(self) -> None:
        """Searches until the budget is used and every candidate in flight has its verdict."""
        self._emit("started")
        answers: list[Answer] = []
        with self._make_pool(self._config) as pool:
            self._tasks, self._telemetry.cluster = Tasks(pool), pool.cluster
            while True:
                with self._store.batch():
                    for answer in answers:
                        self._take(answer)
                    while pool.has_idle and self._start_next():
                        pass
                    self._store.set_meta("elapsed", self._budget.elapsed)
                    if (cluster := pool.cluster()) is not None:
                        self._store.set_meta("cluster", dataclasses.asdict(cluster))
                if not pool.is_busy:
                    return
                answers = pool.wait(timeout=1.0)
                self._emit("tick")

    def _start_next(self) -> bool:
        """Starts a waiting candidate or a new genotype; False if there is none to start."""
        if self._queue:
            self._start(self._ledger.row(self._queue.popleft()))
        elif self._budget.share_used() < 1.0:
            self._start(self._new_candidate())
        elif len(self._shortlist):
            self._evaluate_most_promising()
        else:
            return False
        return True

    def _new_candidate(self) -> Candidate:
        seed, number = self._config.method.seed, self._ledger.born + 1
        members = home(self._ledger.population, self._config.method, seed, number)
        row, graph = birth(self._algorithm, members, seed, number)
        self._ledger.add(row, graph)
        self._emit("sampled", row)
        return row

    def _start(self, row: Candidate) -> None:
        if row.origin == "baseline":
            self._ledger.write(row, status="running")
            self._tasks.submit(row.id, "evaluate", row.require_layer(), False)
            return
        try:
            graph = self._ledger.graph(row)
        except SearchError as error:
            self._refuse(row.id, None, str(error))
            self._finish(row, status="failed", reason="invalid graph")
            return
        reason = check_structure(graph) if self._rejects_freely else None
        if reason is not None:
            self._finish(row, status="rejected", reason=reason)
        elif self._settle_duplicate(row, graph.fingerprint()):
            pass
        elif self._rejects_freely or self._cache.is_on:
            self._ledger.write(row, status="running", host=_HOST)
            self._tasks.submit(row.id, "probe", row.graph)
        else:
            self._propose(row)

    def _evaluate(self, row: Candidate) -> None:
        row = self._ledger.write(row, status="running", host=_HOST)
        self._cache.learn(row)
        self._tasks.submit(row.id, "evaluate", row.graph, self._config.rejects)

    def _settle_duplicate(self, row: Candidate, fingerprint: str | None) -> bool:
        """Gives a duplicate its original's verdict, now or later; False for an original."""
        number = self._cache.original(row, fingerprint)
        if number is None:
            return False
        if self._ledger.is_open(number):
            self._cache.wait(row, number)
        elif self._cache.draws_audit(row):
            row = self._ledger.write(row, status="running", duplicate_of=number)
            self._tasks.submit(row.id, "audit", row.graph, self._config.rejects)
        else:
            self._finish(row, **inherited(self._ledger.row(number)))
        return True

    def _take(self, answer: Answer) -> None:
        """Acts on an answer: a verdict, the candidate's next stage, or another attempt."""
        number, stage = answer.tag
        if not self._tasks.end(answer):
            self._refuse(number, answer.host, f"no {stage} of genotype {number} is under way")
            return
        row, host = self._ledger.row(number), answer.host or _HOST
        if answer.kind == "refused":
            self._refuse(number, answer.host, answer.result)
        if answer.kind in ("died", "refused"):
            self._retry(row, "crash" if answer.kind == "died" else "refused")
        elif answer.kind == "error":
            self._finish(row, status="failed", reason=f"error: {answer.result}", host=host)
        elif stage == "probe":
            self._take_probe(row, answer.result, host)
        elif stage == "audit":
            self._take_audit(row, answer.result, host)
        else:
            self._take_outcome(row, answer.result, host)

    def _take_probe(self, row: Candidate, probed: dict[str, Any], host: str) -> None:
        seconds = probed["seconds"]
        found = {"stages": {"probe": {"seconds": seconds}}, "seconds": seconds}
        if probed["reason"] is not None and self._rejects_freely:
            self._finish(row, status="rejected", reason=probed["reason"], host=host, **found)
            return
        row = self._ledger.write(row, fingerprint=probed["fingerprint"], **found)
        if not self._settle_duplicate(row, probed["fingerprint"]):
            self._propose(row)

    def _propose(self, row: Candidate) -> None:
        """Lets a candidate be trained, if no other one is more promising."""
        if self._config.method.shortlist == 1 or row.origin == "import":
            self._evaluate(row)
            return
        self._shortlist.add(self._ledger.write(row, status="pending"))
        if self._shortlist.is_full:
            self._evaluate_most_promising()

    def _evaluate_most_promising(self) -> None:
        chosen, others = self._shortlist.take()
        for number in others:
            self._finish(self._ledger.row(number), status="rejected", reason=UNPROMISING)
        row = self._ledger.row(chosen)
        # An equal layer may have come to its verdict, or to its training, in the meantime.
        if not self._settle_duplicate(row, row.fingerprint):
            self._evaluate(row)

    def _take_audit(self, row: Candidate, outcome: Outcome, host: str) -> None:
        original = self._ledger.row(row.function)
        stages = {**(row.stages or {}), "audit": audit_record(outcome, original)}
        verdict = inherited(original)
        self._finish(row, stages=stages, seconds=outcome.seconds, host=host, **verdict)

    def _take_outcome(self, row: Candidate, outcome: Outcome, host: str) -> None:
        stages = row.stages or {}
        verdict = dataclasses.asdict(outcome)
        verdict["stages"] = {**stages, **outcome.stages}
        verdict["seconds"] += stages.get("probe", {}).get("seconds", 0.0)
        self._finish(row, host=host, **verdict)

    def _retry(self, row: Candidate, reason: str) -> None:
        if self._tasks.may_retry(row.id):
            self._queue.append(row.id)
        else:
            self._finish(row, status="failed", reason=reason)

    def _refuse(self, number: int, host: str | None, reason: str) -> None:
        self._ledger.refuse(number, host, reason)
        self._emit("refused", text=f"refused: {reason}")

    def _finish(self, row: Candidate, host: str = _HOST, **verdict: Any) -> None:
        """Stores a verdict, and gives it to the duplicates that waited for it."""
        row = self._ledger.finish(row, host=host, **verdict)
        self._tasks.forget(row.id)
        self._emit("finished", row)
        failed = {"status": "failed", "reason": row.reason, "duplicate_of": row.id}
        for number in self._cache.released(row.id):
            verdict = failed if row.status == "failed" else inherited(row)
            self._finish(self._ledger.row(number), **verdict)
