"""The window that is updated one by one equals the one that is built from all members."""

import numpy as np
import pytest

from evonorm_tf import LayerGraph
from evonorm_tf.graph.layer_graph import Node
from search.config import Method
from search.controller.breeding import home
from search.evolution import selection
from search.evolution.operators import tournament
from search.evolution.population import Member, Population

GRAPH = LayerGraph((Node("TANH", (0,)),))


def _active(members, window):
    """By definition: the newest genotype of each function, and the last of those."""
    newest = {}
    for member in sorted(members, key=lambda row: row.id):
        newest[member.function] = member
    return selection.active(sorted(newest.values(), key=lambda row: row.id), window)


def _member(rng, number, functions):
    original = int(rng.choice(functions)) if functions and rng.random() < 0.6 else number
    return Member(number, original, rng.integers(5, size=2) / 4, GRAPH)


@pytest.mark.parametrize("seed", range(20))
def test_the_window_is_that_of_all_members_in_whatever_order_they_come(seed):
    rng = np.random.default_rng(seed)
    window = int(rng.integers(1, 12))
    population, select = Population(2, window), tournament(0.4, "pareto")
    numbers = np.arange(1, 150) + rng.permutation(149) // 4  # an answer may be late
    members = []
    for number in dict.fromkeys(numbers.tolist()):
        functions = [row.id for row in members if row.function == row.id]
        row = _member(rng, number, [one for one in functions if one < number])
        members.append(row)
        population.add(row)
        active = _active(members, window)
        assert population.ids == [row.id for row in active]
        assert population.count == len(members)
        scores = [row.scores for row in active]
        first, second = (np.random.default_rng(number) for _ in range(2))
        place = selection.tournament(scores, first, 0.4)
        assert select(population, second).id == active[place].id
    assert any(row.function != row.id for row in members)


def test_a_winner_brings_its_own_graph():
    population = Population(2, 3)
    graphs = [LayerGraph((Node(op, (0,)),)) for op in ("TANH", "ABS", "EXP", "NEG")]
    for number, graph in enumerate(graphs, 1):
        population.add(Member(number, number, [number / 4] * 2, graph))
    winner = tournament(1.0, "pareto")(population, np.random.default_rng(0))
    assert (winner.id, winner.graph) == (4, graphs[3])
    assert population.ids == [2, 3, 4]


def _numbered(count):
    population = Population(2, 100)
    for number in range(1, count + 1):
        population.add(Member(number, number, [number, -number], GRAPH))
    return population


def test_an_island_has_the_members_of_one_remainder():
    island = _numbered(10).island(7, 3)
    assert [island.member(place).id for place in range(len(island.scores))] == [1, 4, 7, 10]
    np.testing.assert_array_equal(island.scores[:, 0], [1, 4, 7, 10])
    assert island.count == 10
    few = _numbered(2)
    assert few.island(3, 3) is few  # an empty island takes any parent


def test_parents_are_of_the_island_but_for_migrants():
    population = _numbered(40)
    method = Method(islands=4, migration=0.25)
    homes = [home(population, method, 0, number) for number in range(41, 441)]
    migrants = [members is population for members in homes]
    assert 60 < sum(migrants) < 140
    for number, members in enumerate(homes, start=41):
        if members is not population:
            assert {members.member(place).id % 4 for place in range(10)} == {number % 4}
    assert home(population, Method(), 0, 41) is population
