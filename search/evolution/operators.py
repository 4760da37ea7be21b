"""Operators that compose to a search algorithm (paper sections 4.1 and 4.3).

An operator maps (population, rng) to an `Offspring`. It draws from `rng` alone, so the same state
and seed give the same offspring.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.graph.simplification import simplified
from search.evolution import selection, space
from search.evolution.population import Member, Members


@dataclasses.dataclass(frozen=True)
class Offspring:
    """The nodes of a new graph, and the id of the member it was mutated from, if any."""

    nodes: tuple[Node, ...]
    parent: int | None = None


_MOST_NEUTRAL = 100
Operator = Callable[[Members, np.random.Generator], Offspring]
Selector = Callable[[Members, np.random.Generator], Member]


def random_graph(num_nodes: int, drawn: space.Choices) -> Operator:
    """A random graph of the search space; alone it is random search."""
    return lambda _, rng: Offspring(space.sample_nodes(rng, num_nodes, drawn))


def tournament(fraction: float, criterion: str) -> Selector:
    """The winner of a tournament among the active members, see `selection.tournament`."""

    def select(population: Members, rng: np.random.Generator) -> Member:
        return population.member(selection.tournament(population.scores, rng, fraction, criterion))

    return select


def mutated(
    parent: Selector, mutations: int, drawn: space.Choices, skip_neutral: bool = False
) -> Operator:
    """The graph of a selected member after a number of mutations.

    With `skip_neutral`, a mutant that simplifies to the same graph as its parent is mutated
    further, at most a hundred times. What has changed in its unused nodes so far stays, and a later
    mutation may use it: most improvements need several changes of which only the last one shows.
    """

    def mutant(nodes: tuple[Node, ...], rng: np.random.Generator) -> tuple[Node, ...]:
        for _ in range(mutations):
            nodes = space.mutate_nodes(nodes, rng, drawn)
        return nodes

    def operator(population: Members, rng: np.random.Generator) -> Offspring:
        member = parent(population, rng)
        nodes = mutant(member.graph.nodes, rng)
        if skip_neutral:
            unchanged = simplified(member.graph).nodes
            for _ in range(_MOST_NEUTRAL):
                if simplified(LayerGraph(nodes)).nodes != unchanged:
                    break
                nodes = mutant(nodes, rng)
        return Offspring(nodes, member.id)

    return operator


def either(probability: float, one: Operator, other: Operator) -> Operator:
    """Applies `one` with the given probability, else `other`."""
    return lambda population, rng: (one if rng.random() < probability else other)(population, rng)


def first(members: int, initial: Operator, then: Operator) -> Operator:
    """Applies `initial` until the population has had this many members, then `then`."""
    return lambda population, rng: (initial if population.count < members else then)(
        population, rng
    )
