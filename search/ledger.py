"""`Ledger`: the run's rows as the controller needs them, in memory that does not grow.

Rows under evaluation are here; all others are in the store, and of them only counts, the best
one and the active population. So a decision takes as long after a million genotypes as
after a thousand.
"""

import dataclasses
import time
from collections import Counter

from evonorm_tf.graph.layer_graph import LayerGraph
from search.config import Config
from search.outcome import TRAINED_REASONS
from search.population import Population
from search.store import Candidate, Store


class Ledger:
    """Writes every change through to the store.

    Args:
      config: the run's configuration.
      store: the run, opened as its controller.

    Attributes:
      population: who may have offspring.
      counts: genotypes of each status; baselines are left out.
      reasons: rejected and failed genotypes of each reason.
      best: the accepted genotype of the highest fitness; None without any.
      born: the number of the youngest row.
      finished: rows that this session has finished.
      refused: reports that were refused, earlier sessions included.
    """

    def __init__(self, config: Config, store: Store):
        self._store = store
        store.upgrade(_functions)
        self._open = {row.id: row for row in store.candidates("pending", "running")}
        self._graphs: dict[int, LayerGraph] = {}
        self.counts = Counter(store.counts())
        self.reasons = Counter(store.reasons())
        self.best = next(iter(store.top(1)), None)
        self.born = store.last_id()
        self.finished = 0
        self.refused = len(store.refusals())
        self.population = Population(config.evaluation.anchors, config.method)
        self._restore_population()

    def _restore_population(self) -> None:
        for row in self._store.members():
            if self.population.is_full:
                break
            try:
                self.population.add(row, LayerGraph.from_json(row.graph))
            except ValueError as error:
                self.refuse(row.id, None, f"the graph of candidate {row.id}: {error}")
        self.population.count = self._store.count_members()

    @property
    def evaluated(self) -> int:
        """Genotypes on which training was spent: accepted, or rejected by a test that trains."""
        return self.counts["accepted"] + sum(self.reasons[reason] for reason in TRAINED_REASONS)

    @property
    def open_ids(self) -> list[int]:
        """Rows without an end, in order of birth."""
        return sorted(self._open)

    def is_open(self, number: int) -> bool:
        """Whether the row is under evaluation, or about to be."""
        return number in self._open

    def row(self, number: int) -> Candidate:
        """A row as it is now."""
        return self._open.get(number) or self._store.candidate(number)

    def graph(self, row: Candidate) -> LayerGraph:
        """An open row's graph. Raises ValueError for one that is not valid."""
        if row.id not in self._graphs:
            self._graphs[row.id] = LayerGraph.from_json(row.graph)
        return self._graphs[row.id]

    def add(self, row: Candidate, graph: LayerGraph) -> None:
        """Takes up a genotype that was born just now."""
        self._store.add(row)
        self._open[row.id], self._graphs[row.id] = row, graph
        self.counts[row.status] += 1

    def write(self, row: Candidate, **fields) -> Candidate:
        """Changes fields of an open row; returns the row after it."""
        self._store.update(row.id, **fields)
        new = dataclasses.replace(row, **fields)
        if row.origin != "baseline":
            self.counts[row.status] -= 1
            self.counts[new.status] += 1
        self._open[row.id] = new
        return new

    def park(self, row: Candidate) -> None:
        """Leaves an open row to the store alone, until it is asked for again."""
        self._open.pop(row.id, None)
        self._graphs.pop(row.id, None)

    def finish(self, row: Candidate, **fields) -> Candidate:
        """Ends a row, with all that follows from it for others; returns it."""
        row = self.write(row, finished=time.time(), **fields)
        self.finished += 1
        if row.origin != "baseline":
            self._follow(row)
        self.park(row)
        return row

    def _follow(self, row: Candidate) -> None:
        if row.status in ("rejected", "failed"):
            self.reasons[row.reason] += 1
        if row.is_member:
            self.population.add(row, self.graph(row))
        if row.status in ("accepted", "rejected") and row.duplicate_of is None:
            self.learn(row)
        if row.status == "failed":
            self._forget(row)
        if row.status == "accepted" and (self.best is None or row.fitness > self.best.fitness):
            self.best = row

    def original(self, function: str) -> int | None:
        """The candidate that stands for a function, if one does."""
        return self._store.known(function)

    def learn(self, row: Candidate) -> None:
        """Lets an open row stand for its function: by structure, and by numbers if known."""
        self._store.learn(self.graph(row).fingerprint(), row.id)
        if row.fingerprint is not None:
            self._store.learn(row.fingerprint, row.id)

    def _forget(self, row: Candidate) -> None:
        """A failure says nothing about other layers of the same function."""
        for function in (row.fingerprint, *_functions(row)):
            if function is not None:
                self._store.forget(function, row.id)

    def refuse(self, number: int | None, host: str | None, reason: str) -> None:
        """Logs a report, or a row, that is not believed."""
        self._store.refuse(number, host, reason)
        self.refused += 1


def _functions(row: Candidate) -> list[str]:
    """The names of a row's function: its structure's and its numbers' fingerprints."""
    try:
        names = [LayerGraph.from_json(row.graph).fingerprint()]
    except ValueError:  # it was refused, and is no original of anything
        return []
    return names if row.fingerprint is None else [*names, row.fingerprint]
