"""The window kept one by one equals the one that is made anew from all members."""

import numpy as np
import pytest

from evonorm_tf import LayerGraph
from evonorm_tf.graph.layer_graph import Node
from search import selection
from search.config import Method
from search.population import Population
from search.store import Candidate

ANCHORS = ("first", "second")
GRAPH = LayerGraph((Node("TANH", (0,)),))


def _active(members, window):
    """By definition: the newest genotype of each function, and the last of those."""
    newest = {}
    for member in sorted(members, key=lambda row: row.id):
        newest[member.duplicate_of or member.id] = member
    return selection.active(sorted(newest.values(), key=lambda row: row.id), window)


def _member(rng, number, functions):
    original = int(rng.choice(functions)) if functions and rng.random() < 0.6 else None
    scores = dict(zip(ANCHORS, rng.integers(5, size=2) / 4, strict=True))
    return Candidate(number, "random", duplicate_of=original, scores=scores, fitness=0.5)


@pytest.mark.parametrize("seed", range(20))
def test_the_window_is_that_of_all_members_in_whatever_order_they_come(seed):
    rng = np.random.default_rng(seed)
    method = Method(window=int(rng.integers(1, 12)), tournament_fraction=0.4)
    population = Population(ANCHORS, method)
    numbers = np.arange(1, 150) + rng.permutation(149) // 4  # an answer may be late
    members = []
    for number in dict.fromkeys(numbers.tolist()):
        functions = [row.id for row in members if row.duplicate_of is None]
        row = _member(rng, number, [one for one in functions if one < number])
        members.append(row)
        population.add(row, GRAPH)
        active = _active(members, method.window)
        assert population.ids == [row.id for row in active]
        assert population.count == len(members)
        scores = [[row.scores[anchor] for anchor in ANCHORS] for row in active]
        first, second = (np.random.default_rng(number) for _ in range(2))
        place = selection.tournament(scores, first, method.tournament_fraction)
        assert population.winner(second).id == active[place].id
    assert any(row.duplicate_of for row in members)


def test_a_winner_brings_its_own_graph():
    population = Population(ANCHORS, Method(window=3, tournament_fraction=1.0))
    graphs = [LayerGraph((Node(op, (0,)),)) for op in ("TANH", "ABS", "EXP", "NEG")]
    for number, graph in enumerate(graphs, 1):
        scores = dict.fromkeys(ANCHORS, number / 4)
        population.add(Candidate(number, "random", scores=scores, fitness=number / 4), graph)
    winner = population.winner(np.random.default_rng(0))
    assert (winner.id, winner.graph) == (4, graphs[3])
    assert population.ids == [2, 3, 4]
