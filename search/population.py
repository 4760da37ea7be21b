"""`Population`: the genotypes that may have offspring, kept up to date one by one.

A function has one place, that of its newest genotype: a duplicate renews its function's place
and takes no second one. Otherwise the duplicates of the first good layer, which cost nothing,
would fill the window. Of all places the most recent `window` are active (aging); the older
ones never come back, since newer genotypes only add to what stands before them.
"""

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph
from search import selection
from search.config import Method
from search.store import Candidate


@dataclasses.dataclass(frozen=True)
class Member:
    """A genotype in the window: its number, its function's number, and its graph."""

    id: int
    function: int
    graph: LayerGraph


class Population:
    """The active window, and how many members there have been.

    Args:
      anchors: in the order of the scores.
      method: the configuration's `method`.
    """

    def __init__(self, anchors: Sequence[str], method: Method):
        self._anchors, self._method = anchors, method
        self._ids: list[int] = []
        self._scores = np.empty((0, len(anchors)))
        self._members: dict[int, Member] = {}
        self._newest: dict[int, int] = {}
        self.count = 0

    @property
    def ids(self) -> list[int]:
        """The active genotypes in order of birth."""
        return list(self._ids)

    @property
    def is_full(self) -> bool:
        """Whether an older genotype could not become active any more."""
        return len(self._ids) >= self._method.window

    def add(self, row: Candidate, graph: LayerGraph) -> None:
        """Takes an accepted genotype up; they need not come in order of birth."""
        self.count += 1
        member = Member(row.id, row.duplicate_of or row.id, graph)
        older = self._newest.get(member.function, 0)
        if older > member.id or (self.is_full and not older and member.id < self._ids[0]):
            return
        if older:
            self._remove(older)
        place = bisect.bisect(self._ids, member.id)
        scores = [row.scores[anchor] for anchor in self._anchors]
        self._ids.insert(place, member.id)
        self._scores = np.insert(self._scores, place, scores, axis=0)
        self._members[member.id] = member
        self._newest[member.function] = member.id
        if len(self._ids) > self._method.window:
            self._remove(self._ids[0])

    def _remove(self, number: int) -> None:
        place = bisect.bisect_left(self._ids, number)
        del self._ids[place]
        self._scores = np.delete(self._scores, place, axis=0)
        del self._newest[self._members.pop(number).function]

    def winner(self, rng: np.random.Generator) -> Member:
        """The winner of a tournament among the active genotypes."""
        method = self._method
        place = selection.tournament(
            self._scores, rng, method.tournament_fraction, method.criterion
        )
        return self._members[self._ids[place]]
