"""Reranking and comparison with made-up scores; a whole run with real ones."""

import json
import statistics
import subprocess
import sys

import pytest
import tensorflow as tf

import evonorm_tf as en
from search import final, lifecycle, presets
from search.errors import SearchError
from search.storage.candidate import Candidate
from search.storage.store import Store
from search.workers.pool import Answer

CONFIG = presets.preset("demo").override(
    ["rerank.top_k=2", "rerank.width=2.0", "rerank.seeds=2", "rerank.final_seeds=2"]
)
ANCHORS = CONFIG.evaluation.anchors
GRAPH = '{"schema_version": 1, "name": "%s", "nodes": [{"op": "%s", "inputs": [0]}]}'


class Silent:
    def update(self, event):
        pass

    def close(self):
        pass


class ScoringPool:
    """Scores TANH above all in wide networks, and by seed, so that means are seen to be taken."""

    tasks = []

    def __init__(self, settings):
        self._waiting = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    has_idle = True

    @property
    def is_busy(self):
        return bool(self._waiting)

    def submit(self, tag, kind, task):
        assert kind == "score"
        ScoringPool.tasks.append(task)
        score = 0.5 + 0.25 * ("TANH" in task.layer) + 0.01 * (task.seed % 2)
        self._waiting.append(Answer(tag, "ok", score))

    def wait(self, timeout=None):
        answers, self._waiting = self._waiting, []
        return answers


@pytest.fixture
def store(tmp_path, monkeypatch):
    ScoringPool.tasks = []
    monkeypatch.setattr(final, "new_pool", ScoringPool)
    with lifecycle.create(tmp_path / "run", CONFIG) as store:
        for number, (op, fitness) in enumerate([("EXP", 0.9), ("TANH", 0.8), ("LOG", 0.7)], 4):
            store.add(
                Candidate(
                    number,
                    "random",
                    graph=GRAPH % (op, op),
                    formula=op,
                    status="accepted",
                    fitness=fitness,
                )
            )
        yield store


def test_reranking_reorders_the_best(store):
    ranking = final.rerank(store, CONFIG, Silent())
    assert [(entry["id"], entry["formula"]) for entry in ranking] == [(5, "TANH"), (4, "EXP")]
    mean = pytest.approx(0.755)  # one of two seeds scores a point more
    assert ranking[0]["networks"] == dict.fromkeys(ANCHORS, mean)
    assert ranking[0]["mean"] == mean
    assert store.meta("rerank") == ranking
    assert {(task.width, task.held_out) for task in ScoringPool.tasks} == {(2.0, 0.1)}
    assert {task.seed for task in ScoringPool.tasks}.isdisjoint({CONFIG.method.seed})
    names = [path.name for path in lifecycle.save_best(store)]
    assert names == ["01_candidate_5.json", "02_candidate_4.json", "03_candidate_6.json"]


def test_each_idea_is_reranked_once(store):
    negative = '{"schema_version": 1, "nodes": [{"op": "EXP", "inputs": [0]}, %s]}'
    again = negative % '{"op": "NEG", "inputs": [4]}'
    store.add(Candidate(9, "random", graph=again, formula="-EXP", status="accepted", fitness=0.85))
    assert [entry["id"] for entry in final.rerank(store, CONFIG, Silent())] == [5, 4]


def test_comparison_trains_winner_and_baselines_alike_on_the_test_split(store):
    final.rerank(store, CONFIG, Silent())
    reranked = {task.seed for task in ScoringPool.tasks}
    ScoringPool.tasks.clear()
    table = final.compare(store, CONFIG, Silent())
    assert table[0]["id"] == 5
    assert {entry["name"] for entry in table[1:]} == {"bn_relu", "evonorm_b0", "evonorm_s0"}
    assert {(t.width, t.held_out, t.steps) for t in ScoringPool.tasks} == {
        (1.0, None, CONFIG.evaluation.steps)
    }
    seeds = {task.seed for task in ScoringPool.tasks}
    assert len(seeds) == 2 and seeds.isdisjoint({CONFIG.method.seed, *reranked})
    assert len(ScoringPool.tasks) == 4 * len(ANCHORS) * 2
    for entry in table:
        values = [value for scores in entry["accuracies"].values() for value in scores]
        assert entry["mean"] == pytest.approx(statistics.fmean(values))
    assert table[0]["accuracies"][ANCHORS[0]] == [0.75, 0.76]
    assert store.meta("comparison") == table


def test_nothing_accepted_is_one_clear_error(tmp_path):
    with lifecycle.create(tmp_path / "run", CONFIG) as store:
        for stage in (final.rerank, final.compare):
            with pytest.raises(SearchError, match="no genotype was accepted"):
                stage(store, CONFIG, Silent())


@pytest.mark.slow
def test_a_whole_run_from_search_to_comparison(tmp_path):
    run_dir = tmp_path / "run"
    command = [sys.executable, "-m", "search", "run", "--run-dir", str(run_dir)]
    options = ["--preset", "smoke", "--workers", "2", "--set", "method.max_candidates=20"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Store.open(run_dir) as store:
        assert sum(store.counts().values()) == 20
        comparison, ranking, top = store.meta("comparison"), store.meta("rerank"), store.top(1)
        seconds = [row.seconds for row in store.candidates() if row.status == "accepted"]
    assert top and all(value > 0 for value in seconds)
    assert {entry["name"] for entry in comparison} == {None, "bn_relu"}
    best = en.LayerGraph.load(run_dir / "best" / f"01_candidate_{ranking[0]['id']}.json")
    assert en.GraphLayer(best)(tf.ones((1, 1, 1, 1))).shape == (1, 1, 1, 1)
    assert json.loads((run_dir / "config.json").read_text())["method"]["max_candidates"] == 20
    assert (run_dir / "report.html").stat().st_size > 1000
