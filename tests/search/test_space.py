"""Random graphs and mutations have the distribution that the paper describes."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

import search
from evonorm_tf import LayerGraph, Node
from evonorm_tf.graph import ops
from search.evolution import space

# Chance of a false alarm under a fixed seed; the draws below make any real bias far smaller.
ALPHA = 1e-3


def _uniform(counts, categories):
    """The chi-square p-value of counts against equal frequencies."""
    return stats.chisquare([counts[category] for category in categories]).pvalue


def _graphs(count, **kwargs):
    rng = np.random.default_rng(7)
    return [search.sample_graph(rng, **kwargs) for _ in range(count)]


def test_primitives_are_uniform_at_every_node():
    graphs = _graphs(3000)
    for position in (0, 5, 9):
        counts = Counter(
            ops.Primitive(g.nodes[position].op, g.nodes[position].index_set) for g in graphs
        )
        assert set(counts) == set(ops.PRIMITIVES)
        assert _uniform(counts, ops.PRIMITIVES) > ALPHA


def test_inputs_are_uniform_over_all_earlier_nodes():
    graphs = _graphs(4000)
    for position in (0, 4, 9):
        index = position + 4
        for slot in (0, 1):
            counts = Counter(
                g.nodes[position].inputs[slot]
                for g in graphs
                if len(g.nodes[position].inputs) > slot
            )
            assert set(counts) == set(range(index))
            assert _uniform(counts, range(index)) > ALPHA


def test_batch_independent_graphs_forbid_the_batch_alone():
    graphs = _graphs(2000, batch_independent=True)
    counts = Counter(ops.Primitive(n.op, n.index_set) for g in graphs for n in g.nodes)
    allowed = [p for p in ops.PRIMITIVES if p.index_set != "BWH"]
    assert len(allowed) == 21
    assert set(counts) == set(allowed)
    assert _uniform(counts, allowed) > ALPHA


def test_number_of_nodes():
    rng = np.random.default_rng(0)
    assert len(search.sample_graph(rng).nodes) == 10
    assert len(search.sample_graph(rng, num_nodes=3).nodes) == 3
    with pytest.raises(ValueError, match=r"at least 1\. Received: num_nodes=0$"):
        search.sample_graph(rng, num_nodes=0)


def test_same_rng_same_graph():
    first, second = (search.sample_graph(np.random.default_rng(5)) for _ in range(2))
    assert first == second
    other = search.sample_graph(np.random.default_rng(6))
    assert other != first


def test_a_seeded_trajectory_stays_what_it_is():
    # A change here means that old seeds no longer repeat old searches: do it knowingly.
    rng = np.random.default_rng(2020)
    graph = search.sample_graph(rng, num_nodes=4)
    graph = search.mutate_graph(graph, rng)
    assert graph.nodes == (
        Node("ADD", (1, 2)),
        Node("SQRT", (4,)),
        Node("STD", (0,), "BWH"),
        Node("RMS", (3,), "WHC"),
    )


PARENT = LayerGraph(tuple(Node("NEG", (0,)) for _ in range(10)))


def _mutants(count, **kwargs):
    rng = np.random.default_rng(11)
    return [search.mutate_graph(PARENT, rng, **kwargs) for _ in range(count)]


MUTANTS = _mutants(15000)


def _changed(mutant):
    return [i for i, (a, b) in enumerate(zip(PARENT.nodes, mutant.nodes, strict=True)) if a != b]


def test_mutation_changes_one_node_and_leaves_the_parent():
    before = PARENT.to_json()
    sizes = Counter(len(_changed(mutant)) for mutant in MUTANTS)
    assert set(sizes) == {0, 1}
    # The old node is drawn again with probability mean(1/24 * 1/(4 + position)).
    again = np.mean([1 / 24 / (4 + position) for position in range(10)])
    assert stats.binomtest(sizes[0], len(MUTANTS), again).pvalue > ALPHA
    assert PARENT.to_json() == before


def test_mutation_reaches_every_node_primitive_and_input():
    changed = [(_changed(mutant)[0], mutant) for mutant in MUTANTS if _changed(mutant)]
    nodes = Counter(position for position, _ in changed)
    assert set(nodes) == set(range(10))
    chance = np.array([1 - 1 / 24 / (4 + position) for position in range(10)])
    expected = chance / chance.sum() * len(changed)
    assert stats.chisquare([nodes[i] for i in range(10)], expected).pvalue > ALPHA
    drawn = {(p, n.op, n.index_set) for p, m in changed for n in [m.nodes[p]]}
    wanted = {(p, op, index_set) for p in range(10) for op, index_set in ops.PRIMITIVES}
    assert drawn >= wanted
    inputs = {(p, source) for p, m in changed for source in m.nodes[p].inputs}
    assert inputs == {(p, source) for p in range(10) for source in range(p + 4)}


def test_mutated_primitives_are_uniform():
    # NEG of node 0 is the parent's own node, so that one primitive is a little rarer.
    counts = Counter()
    for mutant in filter(_changed, MUTANTS):
        node = mutant.nodes[_changed(mutant)[0]]
        counts[ops.Primitive(node.op, node.index_set)] += 1
    others = [p for p in ops.PRIMITIVES if p.op != "NEG"]
    assert _uniform(counts, others) > ALPHA


def test_batch_independent_mutation_never_adds_a_batch_aggregation():
    mutants = _mutants(5000, batch_independent=True)
    assert not any(node.index_set == "BWH" for mutant in mutants for node in mutant.nodes)
    assert any(node.index_set == "WHC" for mutant in mutants for node in mutant.nodes)


def test_primitives_in_both_modes():
    assert len(space.primitives()) == 24
    assert len(space.primitives(batch_independent=True)) == 21
