"""`Shortlist`: which of several layers that could be trained next is the most promising.

A surrogate predicts the fitness of a layer from its behaviour in a deep random stack, in
milliseconds: the mean over the nearest members of the population.
"""

import functools
from collections.abc import Sequence

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph, Node
from search.config import Config
from search.controller.ledger import Ledger
from search.evaluation import signal
from search.evaluation.engine.layer_program import LayerProgram
from search.evolution.population import Population
from search.storage.candidate import Candidate

_FEWEST_MEMBERS = 10
_NEIGHBORS = 5


class Shortlist:
    """Layers that have passed the free rejections and wait for their training.

    Args:
      config: the run's configuration; `method.shortlist` is the length.
      ledger: has the graphs and the population.
    """

    def __init__(self, config: Config, ledger: Ledger):
        self._ledger, self._length = ledger, config.method.shortlist
        self._ids: list[int] = []

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def is_full(self) -> bool:
        """Whether to take a layer: the list is full, or has too few members to predict from."""
        return len(self._ids) >= self._length or not can_predict(self._ledger.population)

    def add(self, row: Candidate) -> None:
        """Adds an open candidate."""
        self._ids.append(row.id)

    def take(self) -> tuple[int, list[int]]:
        """Empties the list; returns the ids of the most promising candidate and of the others."""
        ids, self._ids = sorted(self._ids), []
        graphs = [self._ledger.graph(self._ledger.row(number)) for number in ids]
        chosen = ids.pop(most_promising(graphs, self._ledger.population))
        return chosen, ids


def can_predict(population: Population) -> bool:
    """Whether there are the ten members that a prediction needs."""
    return len(population.ids) >= _FEWEST_MEMBERS


def most_promising(graphs: Sequence[LayerGraph], population: Population) -> int:
    """The index of the graph with the highest predicted fitness, the first of equals.

    Without ten members there is nothing to predict from, and it is the first graph.
    """
    if len(graphs) == 1 or not can_predict(population):
        return 0
    members = [population.member(place).graph for place in range(len(population.ids))]
    return int(np.argmax(predicted(graphs, members, population.scores.mean(1))))


def predicted(
    graphs: Sequence[LayerGraph], known: Sequence[LayerGraph], fitness: np.ndarray
) -> np.ndarray:
    """The fitness of graphs, predicted from that of at least five known graphs.

    It is the mean over the five known graphs whose features (`signal.features`) are nearest,
    weighted by the inverse of the distance. The features are scaled to unit variance over the known
    graphs.
    """
    # Imported on first use: only searches with a shortlist wait for it.
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    nearest = KNeighborsRegressor(_NEIGHBORS, weights="distance")
    surrogate = make_pipeline(StandardScaler(), nearest)
    surrogate.fit([_features(graph.nodes) for graph in known], fitness)
    return surrogate.predict([_features(graph.nodes) for graph in graphs])


@functools.lru_cache(maxsize=10_000)  # more than a population has; a few of them are new each time
def _features(nodes: tuple[Node, ...]) -> list[float]:
    return signal.features(LayerProgram(LayerGraph(nodes)))
