"""A search on a table, whose rows are its candidates, with their verdicts and seconds."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from search.config import Method
from search.controller.breeding import home
from search.controller.shortlist import can_predict, most_promising
from search.errors import SearchError
from search.evaluation.outcome import FREE_REASONS
from search.evolution.population import Member, Population
from search.evolution.selection import tournament
from search.replay.table import Table

# Seconds for a layer that is probed, and passed over for a more promising one.
_PREDICTION_SECONDS = 0.05


class Step(NamedTuple):
    """The seconds of training until a new best layer was known, and its fitness."""

    seconds: float
    fitness: float


@dataclasses.dataclass(frozen=True)
class Replayed:
    """The result of a replay.

    Attributes:
      steps: each new best layer.
      trained: number of functions that were trained in full.
      seconds: of all tests and trainings; less than the budget if the table was used up.
    """

    steps: list[Step]
    trained: int
    seconds: float

    def best(self, seconds: float) -> float:
        """The best fitness that was known after so many seconds; 0 without any."""
        return max((step.fitness for step in self.steps if step.seconds <= seconds), default=0.0)


def replay(table: Table, method: Method, seed: int, seconds: float) -> Replayed:
    """Searches in a table until the budget or the table is used up.

    A random graph is a row that was random in its run. A mutant is a row that differs from its
    parent in at most `method.mutations` nodes; if none is left, a random graph is taken. Each row
    is drawn once. A function is trained once, and its fitness is the mean over all its trainings in
    the table, so the seeds of the runs do not favour a method.

    Raises:
      SearchError: for a table without random graphs.
    """
    if not table.is_random.any():
        raise SearchError("the table has no random graphs to start from")
    return _Replay(table, method, seed).run(seconds)


def described(found: Sequence[Replayed], seconds: float) -> str:
    """The mean of the best fitness after so many seconds, with its standard error."""
    best = [100 * each.best(seconds) for each in found]
    text = f"{statistics.fmean(best):.1f} %"
    return f"{text} ± {statistics.stdev(best) / len(best) ** 0.5:.1f}" if len(best) > 1 else text


class _Replay:
    def __init__(self, table: Table, method: Method, seed: int):
        self._table, self._method = table, method
        self._seed, self._rng = seed, np.random.default_rng(seed)
        self._is_left = np.ones(len(table), bool)
        # In the order in which they are drawn, from the end.
        self._random = self._rng.permutation(np.flatnonzero(table.is_random)).tolist()
        self._neighbours: dict[int, np.ndarray] = {}
        self._population = Population(table.scores.shape[1], method.window)
        self._rows: dict[int, int] = {}  # the row of each member
        self._known: set[int] = set()
        self._scores, self._seconds = table.mean_scores, table.function_seconds
        self._steps: list[Step] = []
        self._spent, self._trained, self._born = 0.0, 0, 0

    def run(self, budget: float) -> Replayed:
        waiting: list[int] = []
        while self._spent < budget:
            row = self._birth()
            if row is not None:
                self._is_left[row] = False
                if self._is_known(row) or self._table.verdict[row] in FREE_REASONS:
                    self._settle(row)
                    continue
                waiting.append(row)
            if not waiting:
                break
            is_full = len(waiting) >= self._method.shortlist or not can_predict(self._population)
            if row is None or is_full:
                self._settle(self._most_promising(waiting))
                waiting = []
        return Replayed(self._steps, self._trained, self._spent)

    def _most_promising(self, rows: list[int]) -> int:
        """One of the rows; the others may be drawn again as mutants."""
        graphs = [self._table.graph(row) for row in rows]
        chosen = rows.pop(most_promising(graphs, self._population))
        self._is_left[rows] = True
        self._spent += _PREDICTION_SECONDS * len(rows)
        return chosen

    def _is_known(self, row: int) -> bool:
        return int(self._table.function[row]) in self._known

    def _settle(self, row: int) -> None:
        """Gives a row its verdict; a function costs its seconds once."""
        self._born += 1
        is_new = not self._is_known(row)
        self._known.add(int(self._table.function[row]))
        self._spent += float(self._seconds[row]) if is_new else 0.0
        if self._table.verdict[row] != "accepted":
            return
        self._trained += is_new
        self._add(row)
        fitness = float(self._scores[row].mean())
        if not self._steps or fitness > self._steps[-1].fitness:
            self._steps.append(Step(self._spent, fitness))

    def _add(self, row: int) -> None:
        number = self._born
        function = int(self._table.function[row])
        member = Member(
            number,
            function if self._method.renewal else number,
            self._scores[row],
            self._table.graph(row),
        )
        self._rows[number] = row
        self._population.add(member)

    def _birth(self) -> int | None:
        method = self._method
        is_random = (
            method.algorithm != "evolution"
            or self._population.count < method.initial_members
            or self._rng.random() < method.fresh_fraction
        )
        mutant = None if is_random else self._mutant()
        return self._fresh() if mutant is None else mutant

    def _fresh(self) -> int | None:
        while self._random:
            row = self._random.pop()
            if self._is_left[row]:  # else it was drawn as a mutant
                return row
        return None

    def _mutant(self) -> int | None:
        method = self._method
        population = home(self._population, method, self._seed, self._born + 1)
        place = tournament(
            population.scores, self._rng, method.tournament_fraction, method.criterion
        )
        near = self._near(self._rows[population.member(place).id])
        return self._drawn(near[self._is_left[near]])

    def _near(self, parent: int) -> np.ndarray:
        """The rows that may be its mutants."""
        if parent not in self._neighbours:
            table, method = self._table, self._method
            distance = (table.nodes != table.nodes[parent]).any(-1).sum(-1)
            choices = distance <= method.mutations
            if method.skip_neutral:
                choices &= table.function != table.function[parent]
            self._neighbours[parent] = np.flatnonzero(choices)
        return self._neighbours[parent]

    def _drawn(self, rows: np.ndarray) -> int | None:
        return int(self._rng.choice(rows)) if rows.size else None
