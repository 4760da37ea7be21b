"""`Population`: the genotypes that may have offspring, updated one by one.

Each function has one member, its newest genotype: a duplicate replaces the older member of its
function. Otherwise duplicates of the first good layer, which need no training, would fill the
window. The `window` newest members are active (aging). A member that has left the window never
returns, since newer members keep it out.
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
      id: the genotype's id, in order of birth.
      function: id of the genotype that stands for its function: its original's, or its own.
      scores: accuracy on each anchor, in the anchors' order.
      graph: the layer graph.
    """

    id: int
    function: int
    scores: Sequence[float]
    graph: LayerGraph


class Population:
    """The active members, and the number of all members so far.

    Args:
      num_anchors: length of each member's scores.
      window: the largest number of active members.

    Attributes:
      count: number of members added so far, active or not.
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
        """Ids of the active members, in order of birth."""
        return list(self._ids)

    @property
    def scores(self) -> np.ndarray:
        """Scores of the active members, of shape (members, anchors), in the order of `ids`."""
        return self._scores

    @property
    def is_full(self) -> bool:
        """Whether the window is full, so that no older genotype can enter it."""
        return len(self._ids) >= self._window

    def member(self, place: int) -> Member:
        """The active member at an index of `ids`."""
        return self._members[self._ids[place]]

    def island(self, number: int, islands: int) -> "Members":
        """The active members whose ids have the remainder of `number`; all, if there are none."""
        places = [place for place, id_ in enumerate(self._ids) if (id_ - number) % islands == 0]
        return Island(self, places) if places else self

    def add(self, member: Member) -> None:
        """Adds a genotype; genotypes may come in any order."""
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


class Island:
    """A part of a population, with what selection needs of it."""

    def __init__(self, population: Population, places: list[int]):
        self._population, self._places = population, places

    @property
    def count(self) -> int:
        """Number of members that the whole population has had."""
        return self._population.count

    @property
    def scores(self) -> np.ndarray:
        """Scores of its members, of shape (members, anchors)."""
        return self._population.scores[self._places]

    def member(self, place: int) -> Member:
        """The member at an index of `scores`."""
        return self._population.member(self._places[place])


Members = Population | Island
