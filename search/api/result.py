"""`SearchRun`, a search as a Python program sees it, and the layers that it has found."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evonorm_tf.graph.layer_graph import LayerGraph
from evonorm_tf.graph.simplification import short_formula
from search.config import Config
from search.storage import ranking
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of
from search.storage.store import Store

if TYPE_CHECKING:
    from evonorm_tf import GraphLayer


@dataclasses.dataclass(frozen=True)
class FoundLayer:
    """A layer that a search has found.

    Attributes:
      rank: 1 is the best layer; `python -m search export` takes it.
      id: the number of the candidate.
      fitness: the mean of its scores in the search.
      scores: the score on each anchor in the search.
      graph: its `LayerGraph`.
      groups: the number of groups with which it was searched.
    """

    rank: int
    id: int
    fitness: float
    scores: dict[str, float]
    graph: LayerGraph = dataclasses.field(repr=False)
    groups: int = dataclasses.field(repr=False)

    @property
    def formula(self) -> str:
        """The simplified formula."""
        return short_formula(self.graph)

    def layer(self, **arguments: Any) -> "GraphLayer":
        """A new Keras layer, `evonorm_tf.GraphLayer`.

        Args:
          **arguments: of `GraphLayer`; `groups` is by default that of the search.
        """
        import evonorm_tf  # with TensorFlow

        return evonorm_tf.GraphLayer(self.graph, **{"groups": self.groups, **arguments})


@dataclasses.dataclass(frozen=True)
class Compared:
    """A layer of the comparison on the test set, after the search.

    Attributes:
      name: the name of a handwritten layer; None for the one that was found.
      formula: its formula.
      accuracies: accuracies on each anchor, one for each seed.
      mean: their mean.
    """

    name: str | None
    formula: str | None
    accuracies: dict[str, list[float]]
    mean: float


class SearchRun:
    """A search in a run folder, which may be finished, stopped, or running in another process.

    Each attribute is read from the folder when it is asked for.

    Args:
      run_dir: the run folder.
      trust: names of functions and data sets that `resume` may import.
    """

    def __init__(self, run_dir: str | os.PathLike, trust: Sequence[str] = ()):
        self._run_dir = pathlib.Path(run_dir)
        self._trust = tuple(trust)
        with Store.open(run_dir):
            pass  # raises for a folder without a run

    def __repr__(self) -> str:
        best = self.best[:1]
        found = f"best: {best[0].fitness:.4f}  {best[0].formula}" if best else "nothing found yet"
        return f"<search in {self._run_dir}: {sum(self.counts.values())} genotypes, {found}>"

    @property
    def run_dir(self) -> pathlib.Path:
        """The run folder."""
        return self._run_dir

    @property
    def best(self) -> list[FoundLayer]:
        """All layers that passed every test, each function once, the best first.

        Those that were trained again after the search come first, in the order of that.
        """
        with Store.open(self._run_dir) as store:
            rows = store.top(store.counts().get("accepted", 0))
            ordered = ranking.order(rows, store.meta("rerank"))
            groups = Config.from_dict(store.meta("config") or {}).evaluation.groups
        return [_found(row, rank, groups) for rank, row in enumerate(ordered, start=1)]

    @property
    def counts(self) -> dict[str, int]:
        """The number of genotypes of each status."""
        with Store.open(self._run_dir) as store:
            return store.counts()

    @property
    def elapsed(self) -> float:
        """Seconds of searching, without the final stage and pauses."""
        with Store.open(self._run_dir) as store:
            return float(store.meta("elapsed") or 0.0)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration, as nested dictionaries."""
        with Store.open(self._run_dir) as store:
            return Config.from_dict(store.meta("config") or {}).to_dict()

    @property
    def comparison(self) -> list[Compared] | None:
        """The winner and the handwritten layers on the test set, the best first.

        None before the final stage, which `final=False` leaves out.
        """
        with Store.open(self._run_dir) as store:
            table = store.meta("comparison")
        if table is None:
            return None
        names = [field.name for field in dataclasses.fields(Compared)]
        return [Compared(**{name: entry.get(name) for name in names}) for entry in table]

    def report(self) -> pathlib.Path:
        """Writes the report and its figures into the run folder; returns the report's path."""
        from search import report  # imports matplotlib, which is slow

        return report.write(self._run_dir)

    def resume(self, minutes: float | None = None, workers: int | None = None) -> "SearchRun":
        """Goes on with the search, like `search.resume`, with the functions it began with."""
        from search.api import entry

        return entry.resume(self._run_dir, trust=self._trust, minutes=minutes, workers=workers)


def _found(row: Candidate, rank: int, groups: int) -> FoundLayer:
    graph = LayerGraph(graph_of(row).nodes, f"candidate_{row.id}")
    return FoundLayer(rank, row.id, row.require_fitness(), row.anchor_scores, graph, groups)
