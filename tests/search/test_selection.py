"""Pareto frontier, tournaments and the window against plain definitions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import search
from search.evolution import selection

GRID = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12)


def _dominates(a, b):
    return all(x >= y for x, y in zip(a, b, strict=True)) and a != b


@given(GRID)
def test_frontier_is_what_no_other_dominates(scores):
    expected = [i for i, a in enumerate(scores) if not any(_dominates(b, a) for b in scores)]
    assert search.pareto_frontier(scores).tolist() == expected


def test_equal_candidates_share_the_frontier():
    assert search.pareto_frontier([[1, 2], [1, 2], [0, 2]]).tolist() == [0, 1]


@pytest.mark.parametrize("scores", [[[0.1, float("nan")]], [0.1, 0.2]])
def test_frontier_refuses_what_it_cannot_order(scores):
    with pytest.raises(ValueError, match="`scores` must be a finite array"):
        search.pareto_frontier(scores)


# Figure 5 of the paper: A, B, C on the frontier, B the best on average.
FIGURE_5 = [[0.9, 0.2], [0.7, 0.7], [0.2, 0.9], [0.6, 0.3], [0.1, 0.1]]


def _wins(count, **kwargs):
    rng = np.random.default_rng(3)
    return Counter(selection.tournament(FIGURE_5, rng, **kwargs) for _ in range(count))


def test_pareto_winners_are_uniform_over_the_frontier():
    wins = _wins(6000, fraction=1.0)
    assert set(wins) == {0, 1, 2}
    assert stats.chisquare(list(wins.values())).pvalue > 1e-3


def test_average_winner():
    assert _wins(200, fraction=1.0, criterion="average") == {1: 200}


def test_tournament_of_one_is_a_uniform_draw():
    wins = _wins(5000, fraction=0.05)
    assert set(wins) == set(range(5))
    assert stats.chisquare(list(wins.values())).pvalue > 1e-3


@pytest.mark.parametrize(("members", "size"), [(100, 5), (101, 6), (2500, 125), (1, 1)])
def test_tournament_size_is_the_fraction_rounded_up(members, size):
    # With scores that fall, the average winner is the smallest index that takes part: the
    # best of `size` draws, whose mean is (members - size) / (size + 1).
    scores = np.arange(members)[::-1, None] / members
    rng = np.random.default_rng(1)
    winners = [selection.tournament(scores, rng, 0.05, "average") for _ in range(3000)]
    mean = (members - size) / (size + 1)
    assert np.mean(winners) == pytest.approx(mean, rel=0.08)


def test_tournament_refuses_an_unknown_criterion_and_an_empty_population():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="`criterion` must be one of pareto, average"):
        selection.tournament(FIGURE_5, rng, criterion="best")
    with pytest.raises(ValueError, match="at least one candidate"):
        selection.tournament([], rng)


def test_the_window_forgets():
    members = list(range(10))
    assert selection.active(members, 4) == [6, 7, 8, 9]
    assert selection.active(members, 20) == members
