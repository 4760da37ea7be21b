"""Layers that have one idea, as one finding."""

import dataclasses
from collections.abc import Iterable, Sequence

from evonorm_tf.graph.idea import idea
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of


@dataclasses.dataclass(frozen=True)
class Finding:
    """The genotypes with one idea, its spellings, in the order of the run."""

    spellings: Sequence[Candidate]

    @property
    def best(self) -> Candidate:
        """The first of those with the highest fitness."""
        return max(self.spellings, key=lambda row: row.require_fitness())

    @property
    def simplest(self) -> Candidate:
        """The first of those with the fewest nodes that the output depends on."""
        return min(self.spellings, key=lambda row: len(graph_of(row).live()))


def findings(rows: Iterable[Candidate]) -> list[Finding]:
    """The ideas of genotypes, in the order of their first spellings."""
    groups: dict[str, list[Candidate]] = {}
    for row in rows:
        groups.setdefault(idea(graph_of(row)), []).append(row)
    return [Finding(spellings) for spellings in groups.values()]
