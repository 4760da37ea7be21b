"""What a report computes, against counting by hand and brute force on a made-up run."""

import dataclasses
import itertools

import numpy as np
import pytest

from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.graph.simplification import short_formula
from search.report import analysis, collect
from search.report.ideas import findings
from search.report.lineage import Ancestor, folded, lineage
from search.report.verdict import compare, known_as, verdict
from search.storage.candidate import Candidate
from search.storage.store import Store
from tests.search import synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return collect.read_run(synthetic_run.write_run(folder, 150))


def _run(*rows, meta=None):
    return collect.Run(None, {"config": {}, **(meta or {})}, rows)


def _accepted(number, *scores, **fields):
    named = dict(zip("abc", scores, strict=False))
    mean = sum(scores) / len(scores)
    fields = {"origin": "random", "finished": float(number), **fields}
    return Candidate(number, status="accepted", scores=named, fitness=mean, **fields)


def test_outcomes_count_each_finished_genotype_once():
    rows = [
        Candidate(1, "baseline", name="bn_relu", status="accepted", fitness=0.9),
        _accepted(2, 0.5, seconds=3.0),
        Candidate(3, "random", status="rejected", reason="no_input"),
        Candidate(4, "random", status="rejected", reason="no_input", duplicate_of=3),
        Candidate(5, "random", status="rejected", reason="quality", seconds=1.0),
        Candidate(6, "random", status="duplicate", reason="quality", duplicate_of=5),
        Candidate(7, "random", status="failed", reason="crash"),
        Candidate(8, "random", status="pending"),
        Candidate(9, "random", status="rejected", reason="quality", seconds=2.0),
    ]
    found = [(row.kind, row.count, row.seconds) for row in analysis.outcomes(_run(*rows))]
    assert found == [
        ("accepted", 1, 3.0),
        ("free", 2, 0.0),
        ("free", 1, 0.0),
        ("trained", 2, 3.0),
        ("failed", 1, 0.0),
    ]


def test_trainings_that_ended_by_half_are_told_apart():
    rows = [
        _accepted(number, 0.5, seconds=1.0, stages={"training": {"steps": {"a": 100, "b": last}}})
        for number, last in enumerate((100, 50, 25))
    ]
    run = _run(*rows, meta={"config": {"evaluation": {"steps": 100}}})
    assert [(row.label, row.count) for row in analysis.outcomes(run)] == [
        ("accepted, trainings ended by half", 2),
        ("accepted, trained to the end on every anchor", 1),
    ]


def test_outcomes_of_a_run_add_up(run):
    assert sum(row.count for row in analysis.outcomes(run)) == len(run.genotypes) == 150


@pytest.mark.parametrize("window", [5, 30, 1000])
def test_progress_is_the_mean_of_the_best_functions_in_the_window(run, window):
    meta = {"config": {"method": {"window": window}}}
    numbers, means = analysis.top_progress(dataclasses.replace(run, meta=meta), k=4)
    members = sorted((row for row in run.genotypes if row.is_member), key=lambda r: r.finished)
    expected = []
    for end, row in enumerate(members, start=1):
        best = {}
        for member in members[max(0, end - window) : end]:
            best[member.duplicate_of or member.id] = member.fitness
        trained = sum(member.status == "accepted" for member in members[:end])
        if row.status == "accepted" and trained >= 4:
            expected.append((trained, np.mean(sorted(best.values(), reverse=True)[:4])))
    assert numbers.tolist() == [trained for trained, _ in expected]
    np.testing.assert_allclose(means, [mean for _, mean in expected], rtol=1e-12)


def test_progress_of_a_long_run_has_a_bounded_number_of_points():
    rows = [_accepted(number, number / 3000) for number in range(1, 3000)]
    numbers, means = analysis.top_progress(_run(*rows), k=10)
    assert len(numbers) == analysis.MAX_CURVE_POINTS
    assert (numbers[0], numbers[-1]) == (10, 2999)
    np.testing.assert_allclose(means, (numbers - 4.5) / 3000, rtol=1e-12)


def test_progress_without_members_is_empty():
    assert analysis.top_progress(_run())[0].size == 0


def test_frontier_in_chunks_is_the_frontier(monkeypatch):
    rng = np.random.default_rng(3)
    rows = [_accepted(n, *rng.integers(0, 12, 3) / 12) for n in range(1, 120)]
    run = _run(*rows)

    def dominates(one, other):
        pairs = [(one.scores[anchor], other.scores[anchor]) for anchor in "abc"]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    expected = {row.id for row in rows if not any(dominates(other, row) for other in rows)}
    monkeypatch.setattr(analysis, "_FRONTIER_CHUNK", 7)
    found = analysis.frontier(run)
    assert {row.id for row in found} == expected
    assert [row.fitness for row in found] == sorted((r.fitness for r in found), reverse=True)


def test_lineage_goes_from_the_root_to_the_genotype_with_its_changes(run):
    youngest = max((row for row in run.ranking if row.parent), key=lambda row: row.id)
    steps = lineage(run, youngest)
    assert steps[0].row.parent is None and steps[0].changes == []
    assert steps[-1].row is youngest
    for before, after in itertools.pairwise(steps):
        assert after.row.parent == before.row.id
        graph = LayerGraph.from_json(before.row.graph)
        assert len(after.changes) <= 1  # one mutation a step in the made-up run
        for change in after.changes:
            assert graph.node(change.index) == change.before
            graph = graph.replace_node(change.index, change.after)
        assert graph.nodes == LayerGraph.from_json(after.row.graph).nodes
        formulas = {short_formula(LayerGraph.from_json(each.row.graph)) for each in (before, after)}
        assert after.is_neutral == (len(formulas) == 1)


def test_only_neighbours_that_are_neutral_are_folded():
    steps = [Ancestor(_accepted(n, 0.5), [], n in (3, 4, 7)) for n in range(2, 8)]
    found = [[step.row.id for step in stretch] for stretch in folded(steps)]
    assert found == [[2], [3, 4], [5], [6], [7]]


def _spelled(number, score, *nodes):
    graph = LayerGraph(tuple(Node(*node) for node in nodes))
    return _accepted(number, score, graph=graph.to_json())


_MINUS = ("NEG", (0,))
_SQUARES = [
    _spelled(1, 0.7, _MINUS, ("MUL", (4, 4)), ("ADD", (5, 2))),
    _spelled(2, 0.8, ("TANH", (0,))),
    _spelled(3, 0.9, _MINUS, ("MUL", (0, 4))),
    _spelled(4, 0.6, ("TANH", (0,)), ("SQUARE", (0,))),
]


def test_layers_with_one_idea_are_one_finding_with_the_simplest_and_the_best_of_them():
    square, tanh = findings(_SQUARES)
    assert [row.id for row in square.spellings] == [1, 3, 4]
    assert (square.best.id, square.simplest.id) == (3, 4)
    assert tanh.spellings == [_SQUARES[1]] and tanh.best is tanh.simplest


def test_accuracies_of_the_quality_test_are_those_of_rejected_rows():
    def row(number, status, accuracies):
        stages = {"quality": {"seconds": 1.0, "accuracies": accuracies}}
        return Candidate(number, "random", status=status, stages=stages)

    rows = [
        row(1, "rejected", {"a": 0.1}),
        row(2, "rejected", {"a": 0.5, "b": 0.2}),
        row(3, "accepted", {"a": 0.9, "b": 0.9}),
    ]
    assert analysis.quality_accuracies(_run(*rows), "a") == [0.1, 0.5]
    assert analysis.quality_accuracies(_run(*rows), "b") == [0.2]


def test_a_run_is_finished_when_a_budget_is_used_and_nothing_waits():
    row, waiting = _accepted(1, 0.5), Candidate(2, "random", status="pending")
    budget = {"max_candidates": 2, "max_trained": None, "max_minutes": None}
    meta = {"config": {"method": budget}}
    assert not _run(row, meta=meta).is_finished
    assert _run(row, _accepted(2, 0.6), meta=meta).is_finished
    assert not _run(row, waiting, meta=meta).is_finished
    timed = {"config": {"method": {"max_minutes": 2.0}}}
    assert not _run(row, meta={**timed, "elapsed": 119.0}).is_finished
    assert _run(row, meta={**timed, "elapsed": 121.0}).is_finished


_RIVALS = {"bn_relu": 0.95, "evonorm_b0": 0.96, "evonorm_s0": 0.955}


@pytest.mark.parametrize(
    ("found", "rivals", "headline"),
    [
        (0.99, _RIVALS, "outscores BN-ReLU, EvoNorm-B0 and EvoNorm-S0: 99.0%."),
        (0.957, _RIVALS, "outscores BN-ReLU: 95.7% against 95.0%."),
        (0.9503, _RIVALS, "level with BN-ReLU: 95.0% against 95.0%."),
        (0.92, _RIVALS, "did not beat BN-ReLU: 92.0% against 95.0%."),
        (0.92, {}, "The best layer found scores 92.0%."),
        (0.19, _RIVALS, "No layer found learns: the best scores 19.0%, near chance (10%)."),
    ],
)
def test_the_headline_on_validation_scores(found, rivals, headline):
    baselines = [
        _accepted(number, score, origin="baseline", name=name)
        for number, (name, score) in enumerate(rivals.items(), start=1)
    ]
    said = verdict(_run(*baselines, _accepted(9, found, graph=synthetic_run.graph_json())))
    assert headline in said.headline
    assert "The comparison on the test split has not been made." in said.detail
    assert "partly luck" not in said.detail  # of one score


@pytest.mark.parametrize(
    ("found", "headline"),
    [(0.015, "near chance (1%)."), (0.19, "The best layer found scores 19.0%")],
)
def test_chance_is_that_of_the_classes(found, headline):
    row = _accepted(9, found, graph=synthetic_run.graph_json())
    assert headline in verdict(_run(row, meta={"num_classes": 100})).headline


def test_the_best_of_many_validation_scores_comes_with_a_warning(run):
    said = verdict(run)
    assert f"best of {len(run.ranking)} scores" in said.detail and "partly luck" in said.detail


@pytest.mark.parametrize(
    ("found", "spread", "words"),
    [
        (0.97, 0.004, "outscores BN-ReLU"),
        # The same difference, but the seeds differ as much among themselves.
        (0.97, 0.03, "level with BN-ReLU: 97.0% against 95.0%"),
        (0.93, 0.004, "did not beat BN-ReLU: 93.0% against 95.0%"),
    ],
)
def test_the_headline_on_test_scores_knows_noise(tmp_path, found, spread, words):
    folder = synthetic_run.write_run(tmp_path / "run", 40)
    synthetic_run.add_final(folder, found, dict.fromkeys(_RIVALS, 0.95), spread)
    run = collect.read_run(folder)
    said = verdict(run)
    assert words in said.headline
    assert "Test accuracy" in said.detail and "3 fresh seeds" in said.detail
    comparison = compare(run)
    assert comparison.found.mean == pytest.approx(found)
    # Three seeds at -spread, 0, +spread: standard deviation `spread`.
    assert comparison.found.error == pytest.approx(spread / 3**0.5)


def test_the_reranked_winner_is_the_layer_found(tmp_path):
    folder = synthetic_run.write_run(tmp_path / "run", 40)
    synthetic_run.add_final(folder, 0.97, _RIVALS)
    run = collect.read_run(folder)
    assert [row.id for row in run.ordered[:3]] == [run.ranking[i].id for i in (2, 0, 1)]
    assert run.ordered[3:] == run.ranking[3:]


def test_a_published_layer_that_is_found_again_is_named(tmp_path):
    with Store.create(tmp_path / "run", {}) as store:
        store.add(_accepted(1, 0.9, graph=synthetic_run.graph_json("evonorm_s1")))
        run = collect.Run(tmp_path, {}, store.candidates())
    assert known_as(run.winner) == "EvoNorm-S1"
    assert "It is EvoNorm-S1, found again." in verdict(run).detail


def test_nothing_found_is_said():
    assert "Nothing has been sampled" in verdict(_run()).headline
    rejected = Candidate(1, "random", status="rejected", reason="constant")
    said = verdict(_run(rejected))
    assert "No layer has passed" in said.headline and "sampled: 1." in said.detail
    spent = {"config": {"method": {"max_candidates": 1}}}
    assert "found no layer that passes" in verdict(_run(rejected, meta=spent)).headline
