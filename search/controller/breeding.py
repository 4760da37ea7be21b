"""Births: the configured algorithm, and what it returns as a row of the database."""

import time

import numpy as np

from evonorm_tf.layer_graph import LayerGraph
from search.config import Config
from search.evolution import algorithm
from search.evolution.population import Population
from search.storage.candidate import Candidate


def new_algorithm(config: Config) -> algorithm.Operator:
    """The operator that breeds candidates: the paper's evolution, or a random baseline."""
    method, space = config.method, config.space
    fresh = algorithm.random_graph(space.num_nodes, space.batch_independent)
    if method.algorithm != "evolution":
        return fresh
    return algorithm.regularized_evolution(
        fresh,
        parent=algorithm.tournament(method.tournament_fraction, method.criterion),
        mutations=method.mutations,
        batch_independent=space.batch_independent,
        fresh_fraction=method.fresh_fraction,
        initial_members=method.initial_members,
    )


def birth(
    breed: algorithm.Operator, population: Population, seed: int, number: int
) -> tuple[Candidate, LayerGraph]:
    """The candidate of a number; of all randomness it depends on (seed, number) alone."""
    offspring = breed(population, np.random.default_rng((seed, number)))
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
