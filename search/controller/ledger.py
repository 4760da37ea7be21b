"""`Ledger`: the candidates as the controller needs them, in memory that does not grow.

It holds the open candidates, which have no verdict yet. Of the others, which are in the store, it
holds only counts, the best genotype, and the active members. So the time of a decision does not
depend on the number of genotypes.
"""

import dataclasses
import time
from collections import Counter
from typing import Any

from evonorm_tf.graph.layer_graph import LayerGraph
from search.config import Config
from search.errors import SearchError
from search.evaluation.outcome import TRAINED_REASONS, UNPROMISING
from search.evolution.population import Member, Population
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of
from search.storage.store import Store


class Ledger:
    """Keeps candidates, and writes every change to the store at once.

    Args:
      config: the run's configuration.
      store: the run, opened as its controller.

    Attributes:
      population: the members that may have offspring.
      counts: number of genotypes of each status.
      reasons: number of rejected and failed genotypes for each reason.
      best: the accepted genotype with the highest fitness; None without any.
      born: id of the newest candidate.
      finished: number of candidates that got their verdict in this session.
      refused: number of refused reports, including those of earlier sessions.
    """

    def __init__(self, config: Config, store: Store):
        self._store = store
        store.upgrade(_fingerprints)
        self._renews = config.method.renewal
        self._anchors, self._num_baselines = config.evaluation.anchors, len(config.baselines)
        self._open = {row.id: row for row in store.candidates("pending", "running")}
        self._graphs: dict[int, LayerGraph] = {}
        self.counts = Counter(store.counts())
        self.reasons = Counter(store.reasons())
        self.best = next(iter(store.top(1)), None)
        self.born = store.last_id()
        self.finished = 0
        self.refused = len(store.refusals())
        self.population = Population(len(self._anchors), config.method.window)
        self._restore_population()

    def _restore_population(self) -> None:
        for row in self._store.members():
            if self.population.is_full:
                break
            try:
                self.population.add(self._member(row, graph_of(row)))
            except SearchError as error:
                self.refuse(row.id, None, str(error))
        self.population.count = self._store.count_members()

    def _member(self, row: Candidate, graph: LayerGraph) -> Member:
        scores = [row.anchor_scores[anchor] for anchor in self._anchors]
        return Member(row.id, row.function if self._renews else row.id, scores, graph)

    @property
    def sampled(self) -> int:
        """The number of genotypes so far."""
        return self.born - self._num_baselines

    @property
    def evaluated(self) -> int:
        """The number of genotypes that were trained, at least for the quality test."""
        return self.counts["accepted"] + sum(self.reasons[reason] for reason in TRAINED_REASONS)

    @property
    def open_ids(self) -> list[int]:
        """Ids of the open candidates, in order of birth."""
        return sorted(self._open)

    def is_open(self, number: int) -> bool:
        """Whether a candidate is open: it is evaluated, or waits for it."""
        return number in self._open

    def row(self, number: int) -> Candidate:
        """A candidate in its present state."""
        return self._open.get(number) or self._store.candidate(number)

    def graph(self, row: Candidate) -> LayerGraph:
        """The graph of an open candidate. Raises SearchError for one that is not valid."""
        if row.id not in self._graphs:
            self._graphs[row.id] = graph_of(row)
        return self._graphs[row.id]

    def add(self, row: Candidate, graph: LayerGraph) -> None:
        """Writes a new genotype."""
        self._store.add(row)
        self.born = row.id
        self._open[row.id], self._graphs[row.id] = row, graph
        self.counts[row.status] += 1

    def write(self, row: Candidate, **fields: Any) -> Candidate:
        """Changes fields of an open candidate; returns the changed candidate."""
        self._store.update(row.id, **fields)
        new = dataclasses.replace(row, **fields)
        if row.origin != "baseline":
            self.counts[row.status] -= 1
            self.counts[new.status] += 1
        self._open[row.id] = new
        return new

    def park(self, row: Candidate) -> None:
        """Drops an open candidate from memory; `row` reads it again from the store."""
        self._open.pop(row.id, None)
        self._graphs.pop(row.id, None)

    def finish(self, row: Candidate, **fields: Any) -> Candidate:
        """Gives a candidate its verdict, updates counts and population, and returns it."""
        row = self.write(row, finished=time.time(), **fields)
        self.finished += 1
        if row.origin != "baseline":
            self._update(row)
        self.park(row)
        return row

    def _update(self, row: Candidate) -> None:
        if row.status in ("rejected", "failed"):
            self.reasons[row.reason or row.status] += 1
        if row.is_member:
            self.population.add(self._member(row, self.graph(row)))
        if _is_a_verdict(row):
            self.learn(row)
        if row.status == "failed":
            self._forget(row)
        if row.status == "accepted" and self._is_best(row):
            self.best = row

    def _is_best(self, row: Candidate) -> bool:
        return self.best is None or row.require_fitness() > self.best.require_fitness()

    def original(self, fingerprint: str) -> int | None:
        """The id of the original of a function, if it has one."""
        return self._store.known(fingerprint)

    def learn(self, row: Candidate) -> None:
        """Makes an open candidate the original of its function, under each of its fingerprints."""
        self._store.learn(self.graph(row).fingerprint(), row.id)
        if row.fingerprint is not None:
            self._store.learn(row.fingerprint, row.id)

    def _forget(self, row: Candidate) -> None:
        """Forgets the function of a failed candidate: a failure is no verdict on its duplicates."""
        for function in (row.fingerprint, *_fingerprints(row)):
            if function is not None:
                self._store.forget(function, row.id)

    def refuse(self, number: int | None, host: str | None, reason: str) -> None:
        """Logs a report or a candidate that fails its checks."""
        self._store.refuse(number, host, reason)
        self.refused += 1


def _is_a_verdict(row: Candidate) -> bool:
    """Whether later genotypes of the same function inherit what became of this one."""
    was_judged = row.status in ("accepted", "rejected") and row.reason != UNPROMISING
    return was_judged and row.duplicate_of is None


def _fingerprints(row: Candidate) -> list[str]:
    """The fingerprints of a candidate: that of its graph, and that of its probe if it has one."""
    try:
        structure = graph_of(row).fingerprint()
    except SearchError:  # such a candidate failed, so it is not an original
        return []
    return [structure] if row.fingerprint is None else [structure, row.fingerprint]
