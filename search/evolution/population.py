"""`Population`: the genotypes that may have offspring, kept up to date one by one.

A function has one place, that of its newest genotype: a duplicate renews its function's place
and takes no second one. Otherwise duplicates of the first good layer, which cost nothing, would
fill the window. The most recent `window` places are active (aging); a place that has left the
window never comes back, since newer genotypes only push it further away.
"""

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph


@dataclasses.dataclass(frozen=True)
class Member:
    """A genotype of the population.

    Attributes:
      id: its number, in order of birth.
      function: the number of the genotype that first computed the same function.
      scores: its accuracy on each anchor, in the anchors' order.
      graph: its layer graph.
    """

    id: int
    function: int
    scores: Sequence[float]
    graph: LayerGraph


class Population:
    """The active window, and how many members there have been.

    Args:
      num_anchors: length of each member's scores.
      window: number of active members.

    Attributes:
      count: members added so far, active or not.
    """

    def __init__(self, num_anchors: int, window: int):
        self._window = window
        self._ids: list[int] = []
        self._scores = np.empty((0, num_anchors))
        self._members: dict[int, Member] = {}
        self._newest: dict[int, int] = {}
        self.count = 0

    @property
    def ids(self) -> list[int]:
        """The active genotypes in order of birth."""
        return list(self._ids)

    @property
    def scores(self) -> np.ndarray:
        """Scores of the active genotypes (members, anchors), in the order of `ids`."""
        return self._scores

    @property
    def is_full(self) -> bool:
        """Whether the window has no free place, so that no older genotype can enter it."""
        return len(self._ids) >= self._window

    def member(self, place: int) -> Member:
        """The active member at a place of `ids`."""
        return self._members[self._ids[place]]

    def add(self, member: Member) -> None:
        """Adds an accepted genotype; genotypes may come in any order of birth."""
        self.count += 1
        older = self._newest.get(member.function, 0)
        if older > member.id or (self.is_full and not older and member.id < self._ids[0]):
            return
        if older:
            self._remove(older)
        place = bisect.bisect(self._ids, member.id)
        self._ids.insert(place, member.id)
        self._scores = np.insert(self._scores, place, member.scores, axis=0)
        self._members[member.id] = member
        self._newest[member.function] = member.id
        if len(self._ids) > self._window:
            self._remove(self._ids[0])

    def _remove(self, number: int) -> None:
        place = bisect.bisect_left(self._ids, number)
        del self._ids[place]
        self._scores = np.delete(self._scores, place, axis=0)
        del self._newest[self._members.pop(number).function]
