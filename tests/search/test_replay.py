"""Tables of layers: written, read, merged from runs, and searched without any training."""

import dataclasses

import numpy as np
import pytest

from evonorm_tf.graph.layer_graph import LayerGraph, Node
from search import cli, sample_graph
from search.errors import SearchError
from search.presets import preset
from search.replay.merge import merge
from search.replay.search import described, replay
from search.replay.table import PACKAGED, Table, encoded
from search.report.collect import read_run
from tests.search import synthetic_run

METHOD = dataclasses.replace(
    preset("demo").method, initial_members=1, skip_neutral=False, shortlist=1
)
OPS = ("TANH", "ABS", "EXP", "NEG", "SIGMOID", "SQUARE")


def table(verdicts, scores, seconds=None, function=None, is_random=None, nodes=None):
    """A table with one anchor; each graph has two nodes, of which the first ones all differ."""
    size = len(verdicts)
    graphs = [(Node(OPS[row % 6], (0,)), Node("ADD", (4, row // 6))) for row in range(size)]
    return Table(
        settings={"anchors": ["a"]},
        nodes=np.stack([encoded(LayerGraph(graph)) for graph in graphs])
        if nodes is None
        else nodes,
        is_random=np.full(size, True) if is_random is None else np.array(is_random),
        batch_independent=np.full(size, False),
        run_seed=np.zeros(size, np.int32),
        verdict=np.array(verdicts),
        function=np.arange(size, dtype=np.int32) if function is None else np.array(function),
        scores=np.array(scores, np.float32).reshape(-1, 1),
        steps=np.full((size, 1), 100, np.int32),
        seconds=np.ones(size, np.float32) if seconds is None else np.array(seconds, np.float32),
    )


GOOD, BAD = "accepted", "quality"
NONE = np.nan


def test_graphs_and_files_come_back(tmp_path):
    rng = np.random.default_rng(0)
    graphs = [sample_graph(rng, 10) for _ in range(50)]
    made = table([GOOD] * 50, np.linspace(0, 1, 50), nodes=np.stack([*map(encoded, graphs)]))
    made.save(tmp_path / "layers.npz")
    read = Table.load(tmp_path / "layers.npz")
    assert [read.graph(row) for row in range(50)] == graphs
    for field in dataclasses.fields(Table):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(made, field.name))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "layers.npz"
    with pytest.raises(SearchError, match=r"layers\.npz is no table of layers"):
        Table.load(path)
    np.savez(path, nodes=np.zeros(3))
    with pytest.raises(SearchError, match="no table of layers"):
        Table.load(path)
    np.savez(path, **{field.name: np.array([{}]) for field in dataclasses.fields(Table)})
    with pytest.raises(SearchError, match="no table of layers"):  # pickled objects
        Table.load(path)


def test_every_row_is_drawn_once_and_every_function_paid_once():
    made = table([GOOD, BAD, GOOD, BAD], [0.5, NONE, 0.7, NONE], seconds=[3, 5, 0.5, 1])
    found = replay(made, METHOD, 0, 1000.0)
    assert (found.trained, found.seconds) == (2, 9.5)
    # The third repeats the first: whichever comes first is the one that is trained.
    same = dataclasses.replace(made, function=np.array([0, 1, 0, 3]))
    for seed in range(5):
        found = replay(same, METHOD, seed, 1000.0)
        assert (found.trained, found.seconds) == (1, 9.0)


def test_the_best_is_known_when_its_training_has_ended():
    made = table([GOOD, GOOD, GOOD], [0.5, 0.9, 0.7], seconds=[10, 10, 10])
    for seed in range(5):
        found = replay(made, METHOD, seed, 1000.0)
        assert found.best(1000.0) == pytest.approx(0.9)
        assert found.best(9.0) == 0.0
        assert found.best(10.0) == pytest.approx(found.steps[0].fitness)
    assert replay(made, METHOD, 0, 10.0).seconds == 10.0  # the budget


def test_a_function_scores_the_mean_of_its_runs():
    made = table([GOOD, GOOD, GOOD], [0.5, 0.9, 0.9], function=[0, 0, 0])
    # Two runs; the third row is a duplicate in the second run, which repeats its scores.
    made = dataclasses.replace(made, run_seed=np.array([0, 1, 1], np.int32))
    assert replay(made, METHOD, 0, 1000.0).best(1000.0) == pytest.approx(0.7)


def test_mutants_are_near_their_parents():
    # One random graph; of the others, those that differ in one node can be reached from it.
    size = 12
    made = table([GOOD] * size, np.linspace(0.1, 0.9, size), is_random=[True] + [False] * 11)
    one = dataclasses.replace(METHOD, mutations=1, fresh_fraction=0.0)

    def trained(table, method):
        return max(replay(table, method, seed, 1000.0).trained for seed in range(20))

    assert trained(made, one) > 6
    far = made.nodes.copy()
    far[6:, 0, 0] += 12  # both nodes differ from those of the first six
    distant = dataclasses.replace(made, nodes=far)
    assert trained(distant, one) == 6
    assert trained(distant, dataclasses.replace(one, mutations=2)) > 6


def test_neutral_mutants_are_left_out_on_request():
    made = table([GOOD] * 3, [0.5, 0.5, 0.6], is_random=[True, False, False], function=[0, 0, 2])
    drawn = dataclasses.replace(METHOD, fresh_fraction=0.0, skip_neutral=True)
    assert [step.fitness for step in replay(made, drawn, 0, 1000.0).steps] == pytest.approx(
        [0.5, 0.6]
    )


def test_a_shortlist_is_trained_to_its_end():
    made = table([GOOD, BAD, GOOD, GOOD], [0.5, NONE, 0.7, 0.9])
    long = dataclasses.replace(METHOD, shortlist=3)
    assert replay(made, long, 0, 1000.0).best(1000.0) == pytest.approx(0.9)


def test_random_search_draws_random_graphs_alone():
    made = table([GOOD] * 4, [0.1, 0.2, 0.3, 0.9], is_random=[True, True, True, False])
    random = dataclasses.replace(METHOD, algorithm="random_rejection")
    assert replay(made, random, 0, 1000.0).best(1000.0) == pytest.approx(0.3)
    with pytest.raises(SearchError, match="no random graphs"):
        replay(dataclasses.replace(made, is_random=np.full(4, False)), random, 0, 1.0)


def test_the_seed_decides():
    rng = np.random.default_rng(1)
    made = table([GOOD] * 24, rng.random(24))
    found = [replay(made, METHOD, seed, 8.0) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert described(found[:1], 8.0) == f"{100 * found[0].best(8.0):.1f} %"


@pytest.fixture
def runs(tmp_path):
    return [synthetic_run.write_run(tmp_path / f"run{seed}", 60, seed) for seed in (0, 1)]


def test_runs_are_merged(runs):
    merged = merge(runs)
    rows = [row for folder in runs for row in read_run(folder).genotypes]
    kept = [
        row
        for row in rows
        if row.status in ("accepted", "rejected", "duplicate") and row.reason != "no_input"
    ]
    assert len(merged) == len(kept) > 60
    for place, row in enumerate(kept):
        assert merged.graph(place).nodes == LayerGraph.from_json(row.graph).nodes
        assert merged.is_random[place] == (row.origin == "random")
        assert (merged.verdict[place] == "accepted") == row.is_member
        wanted = [row.anchor_scores.get(anchor, NONE) for anchor in merged.settings["anchors"]]
        np.testing.assert_allclose(merged.scores[place], wanted, rtol=1e-6)
    assert {*merged.run_seed.tolist()} == {0, 1}
    assert merged.num_functions == len(
        {row.function for row in read_run(runs[0]).genotypes if row in kept}
    ) + len({row.function for row in read_run(runs[1]).genotypes if row in kept})


def test_runs_that_train_otherwise_are_refused(runs, tmp_path):
    synthetic_run.write_run(tmp_path / "other", 20, 2, overrides=["evaluation.steps=7"])
    with pytest.raises(SearchError, match=r"trains in another way than .*run0: steps"):
        merge([*runs, tmp_path / "other"])
    synthetic_run.write_run(tmp_path / "cache", 20, 3, overrides=["evaluation.halving_ratio=0"])
    assert len(merge([*runs, tmp_path / "cache"])) > len(merge(runs))


def test_the_commands(runs, tmp_path, capsys):
    path = str(tmp_path / "layers.npz")
    assert cli.main(["merge", *map(str, runs), "--output", path]) == 0
    assert cli.main(["replay", "--table", path, "--seeds", "3", "--set", "method.window=5"]) == 0
    text = capsys.readouterr().out
    assert "different functions" in text and "best after 600 s: " in text
    assert cli.main(["replay", "--table", path, "--seeds", "0"]) == 1
    assert "--seeds must be at least 1" in capsys.readouterr().err


def test_the_packaged_table_is_large_enough_to_search_in():
    packaged = Table.load(PACKAGED)
    accepted = np.unique(packaged.function[packaged.verdict == GOOD])
    assert packaged.num_functions >= 3000 and len(accepted) >= 300
    assert PACKAGED.stat().st_size < 10e6
    assert np.isfinite(packaged.scores[packaged.verdict == GOOD]).all()
    found = replay(packaged, METHOD, 0, 300.0)
    assert found.seconds >= 300.0 and found.best(300.0) > 0.5
