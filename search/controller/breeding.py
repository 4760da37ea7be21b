"""Births: the configured algorithm as an expression of operators, and its offspring."""

import time

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph
from search.config import Config, Method
from search.evolution.operators import Operator, either, first, mutated, random_graph, tournament
from search.evolution.population import Members, Population
from search.evolution.space import choices
from search.storage.candidate import Candidate


def new_algorithm(config: Config) -> Operator:
    """Regularized evolution (paper section 4.1), or random search as its baseline.

    Aging is the population's window: a member that has left it is never selected.
    """
    method = config.method
    drawn = choices(config.space.primitives, config.space.batch_independent)
    fresh = random_graph(config.space.num_nodes, drawn)
    winner = tournament(method.tournament_fraction, method.criterion)
    mutant = mutated(winner, method.mutations, drawn, skip_neutral=method.skip_neutral)
    evolution = first(
        method.initial_members, fresh, then=either(method.fresh_fraction, fresh, mutant)
    )
    return evolution if method.algorithm == "evolution" else fresh


def home(population: Population, method: Method, seed: int, number: int) -> Members:
    """The members among which the parent of the genotype `number` is selected.

    A genotype belongs to the island number id mod `method.islands`. Its parent is of the same
    island, or, with probability `method.migration`, of any.
    """
    if method.islands == 1 or np.random.default_rng((seed, number, 2)).random() < method.migration:
        return population
    return population.island(number, method.islands)


def birth(
    algorithm: Operator, population: Members, seed: int, number: int
) -> tuple[Candidate, LayerGraph]:
    """The genotype with the id `number`; its randomness depends on (seed, number) alone."""
    offspring = algorithm(population, np.random.default_rng((seed, number)))
    graph = LayerGraph(offspring.nodes, f"candidate_{number}")
    candidate = Candidate(
        number,
        "random" if offspring.parent is None else "mutation",
        parent=offspring.parent,
        graph=graph.to_json(),
        formula=graph.formula(),
        created=time.time(),
    )
    return candidate, graph
