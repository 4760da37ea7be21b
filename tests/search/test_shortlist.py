"""The surrogate: a layer is predicted to be as good as the members that behave like it."""

import numpy as np
import pytest

from evonorm_tf import LayerGraph, registry
from evonorm_tf.graph.layer_graph import Node
from search import sample_graph
from search.controller.shortlist import most_promising
from search.evolution.population import Member, Population

TANH = LayerGraph((Node("TANH", (0,)),))


def _population(good, bad, others=0):
    """Members with scores of 0.9, and members with 0.1: `bad` and random graphs."""
    population, rng = Population(1, 100), np.random.default_rng(0)
    graphs = [(graph, 0.9) for graph in good] + [(graph, 0.1) for graph in bad]
    graphs += [(sample_graph(rng), 0.1) for _ in range(others)]
    for number, (graph, score) in enumerate(graphs, start=1):
        population.add(Member(number, number, [score], graph))
    return population


def test_it_takes_what_behaves_like_good_members():
    good = [registry.graph(name) for name in ("evonorm_b0", "evonorm_s0", "evonorm_s2", "rs_rej")]
    population = _population(good, [TANH], others=20)
    chosen = most_promising([TANH, registry.graph("evonorm_s1"), TANH], population)
    assert chosen == 1
    # The scores decide, not the layers.
    worse = _population([TANH], good, others=20)
    assert most_promising([registry.graph("evonorm_s1"), TANH], worse) == 1


@pytest.mark.parametrize("members", [0, 9])
def test_with_few_members_it_takes_the_first(members):
    population = _population([], [], others=members)
    assert most_promising([TANH, registry.graph("evonorm_b0")], population) == 0


def test_one_layer_needs_no_prediction():
    assert most_promising([TANH], _population([], [], others=12)) == 0
