"""The ancestors of a genotype, with the mutations that changed nothing folded."""

import dataclasses
import itertools
from collections.abc import Sequence

from evonorm_tf.graph.layer_graph import Node
from evonorm_tf.graph.simplification import simplified
from search.errors import SearchError
from search.report.collect import Run
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of


@dataclasses.dataclass(frozen=True)
class Change:
    """A node that a mutation has replaced."""

    index: int
    before: Node
    after: Node


@dataclasses.dataclass(frozen=True)
class Ancestor:
    """A step of a lineage.

    Attributes:
      row: the genotype.
      changes: the nodes in which it differs from its parent.
      is_neutral: whether its graph simplifies to the same one as its parent's.
    """

    row: Candidate
    changes: Sequence[Change]
    is_neutral: bool


def lineage(run: Run, row: Candidate) -> list[Ancestor]:
    """The ancestors of a genotype, from a random graph to itself.

    Raises:
      SearchError: for a genotype that is its own ancestor, or whose graph has not as many nodes as
        its parent's.
    """
    rows = _ancestors(run, row)
    functions = [simplified(graph_of(each), without_epsilon=True).fingerprint() for each in rows]
    steps = [Ancestor(rows[0], [], is_neutral=False)]
    for (parent, child), (before, after) in zip(
        itertools.pairwise(rows), itertools.pairwise(functions), strict=True
    ):
        steps.append(Ancestor(child, _changes(parent, child), before == after))
    return steps


def _ancestors(run: Run, row: Candidate) -> list[Candidate]:
    found: dict[int, Candidate] = {}
    current: Candidate | None = row
    while current is not None:
        if current.id in found:
            raise SearchError(f"candidate {current.id} is its own ancestor")
        found[current.id] = current
        current = None if current.parent is None else run.by_id.get(current.parent)
    return [*found.values()][::-1]


def folded(steps: Sequence[Ancestor]) -> list[list[Ancestor]]:
    """The steps in order, with neutral neighbours in one list and every other step alone."""
    runs = itertools.groupby(enumerate(steps), lambda item: None if item[1].is_neutral else item[0])
    return [[step for _, step in stretch] for _, stretch in runs]


def _changes(parent: Candidate, child: Candidate) -> list[Change]:
    before, after = graph_of(parent), graph_of(child)
    if len(before.nodes) != len(after.nodes):
        raise SearchError(f"candidate {child.id} cannot be a mutation of candidate {parent.id}")
    pairs = zip(before.nodes, after.nodes, strict=True)
    return [
        Change(index, old, new) for index, (old, new) in enumerate(pairs, start=4) if old != new
    ]
