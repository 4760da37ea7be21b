"""The loop: births, cache, audits, crashes and resuming, with evaluations that are made up.

The stand-in for the workers answers at once and in this process; what a layer scores is a
hash of its structure. All else is the real program.
"""

import dataclasses
import hashlib
import sqlite3
from collections import Counter

import pytest

from evonorm_tf import LayerGraph
from search import lifecycle, presets
from search.controller import loop
from search.controller.loop import Controller
from search.errors import SearchError
from search.evaluation.evaluator import Outcome
from search.storage.database import DATABASE
from search.storage.store import Store
from search.watch.pages import Pages
from search.workers.pool import Answer, Cluster

ANCHORS = ("mobilenet_v2_small", "efficientnet_small", "resnet_small")
SETTINGS = [
    "workers=1",
    "method.max_minutes=none",
    "method.max_candidates=120",
    "method.initial_members=1",
    "method.skip_neutral=false",
    "method.shortlist=1",
]


class Silent:
    """Keeps the events."""

    def __init__(self):
        self.events = []

    def update(self, event):
        self.events.append(event)

    def close(self):
        pass


class FakePool:
    """Answers tasks in order, one for each `wait`; can end like a killed controller."""

    def __init__(self, settings):
        self._workers = settings.workers
        self._tasks = []
        self.dies_at = ()
        self.submitted = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def has_idle(self):
        return len(self._tasks) < self._workers

    @property
    def is_busy(self):
        return bool(self._tasks)

    def submit(self, tag, kind, *arguments):
        self._tasks.append((tag, kind, arguments))
        self.submitted.append((tag, kind))

    def wait(self, timeout=None):
        # The newest first: answers need not come in order of birth.
        tag, kind, arguments = self._tasks.pop()
        if tag[0] in self.dies_at:
            return [Answer(tag, "died", None)]
        return [Answer(tag, "ok", getattr(self, kind)(*arguments))]

    def cluster(self):
        return None

    def probe(self, graph):
        digest = _digest(graph)
        return {"reason": None, "fingerprint": f"f{digest % 1000}", "seconds": 0.0}

    def evaluate(self, layer, rejects):
        draws = [(_digest(layer) % 1000 // 10**i) % 10 for i in range(3)]
        if rejects and draws[0] < 5:
            return Outcome("rejected", "quality", None, None, {"quality": {}}, 1.0)
        scores = {anchor: draw / 10 for anchor, draw in zip(ANCHORS, draws, strict=True)}
        return Outcome("accepted", None, scores, sum(scores.values()) / 3, {"training": {}}, 2.0)


def _digest(layer):
    text = LayerGraph.from_json(layer).fingerprint() if layer.startswith("{") else layer
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


@pytest.fixture
def pools(monkeypatch):
    """The pools that controllers make, with `dies_at` set beforehand on the class."""
    made = []

    def make(settings):
        made.append(FakePool(settings))
        return made[-1]

    monkeypatch.setattr(loop, "new_pool", make)
    return made


def _config(*settings):
    return presets.preset("demo").override([*SETTINGS, *settings])


def _search(path, settings, progress=None):
    with lifecycle.create(path, settings) as store:
        Controller(settings, store, progress or Silent()).run()
        return store.candidates()


def _story(rows):
    """What must not depend on time or interruptions."""
    changing = {"created": 0.0, "finished": None, "seconds": None, "stages": None, "host": None}
    return [dataclasses.replace(row, **changing) for row in rows]


def test_a_run_has_the_asked_number_of_genotypes_and_ends_with_none_open(tmp_path, pools):
    rows = _search(tmp_path / "run", _config())
    assert [row.id for row in rows] == list(range(1, 124))
    assert [row.name for row in rows[:3]] == ["bn_relu", "evonorm_b0", "evonorm_s0"]
    assert Counter(row.origin for row in rows)["baseline"] == 3
    assert {row.status for row in rows} <= {"accepted", "rejected", "duplicate"}
    assert all(row.finished for row in rows)
    mutations = [row for row in rows if row.origin == "mutation"]
    assert len(mutations) > 20
    members = {row.id for row in rows if row.is_member}
    assert all(row.parent in members and row.parent < row.id for row in mutations)


def test_same_seed_same_run_and_another_seed_another(tmp_path, pools):
    first, second = (_search(tmp_path / name, _config()) for name in "ab")
    assert _story(first) == _story(second)
    other = _search(tmp_path / "c", _config("method.seed=1"))
    assert _story(other) != _story(first)


class KilledError(Exception):
    """Stands for kill -9: the controller gets no chance to tidy up."""


class KillAfter(Silent):
    def __init__(self, count):
        super().__init__()
        self._left = count

    def update(self, event):
        self._left -= 1
        if self._left < 0:
            raise KilledError


@pytest.mark.parametrize(("workers", "shortlist"), [(1, 1), (3, 1), (1, 3)])
def test_resuming_after_any_event_loses_nothing(tmp_path, pools, workers, shortlist):
    settings = _config(
        f"workers={workers}", f"method.shortlist={shortlist}", "method.max_candidates=40"
    )
    whole = _search(tmp_path / "whole", settings)
    for events in range(1, 400, 31):
        path = tmp_path / str(events)
        with lifecycle.create(path, settings) as store, pytest.raises(KilledError):
            Controller(settings, store, KillAfter(events)).run()
            raise KilledError
        with Store.open(path, controller=True) as store:
            lifecycle.add_first(store, settings)
            Controller(settings, store, Silent()).run()
            rows = store.candidates()
        assert [row.id for row in rows] == [row.id for row in whole]
        assert not [row for row in rows if row.status in ("pending", "running")]
        if workers == 1:
            assert _story(rows) == _story(whole)
        connection = sqlite3.connect(path / DATABASE)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


@pytest.mark.parametrize("settings", [[], ["evaluation.equivalence_cache=false"]])
def test_of_a_shortlist_one_is_trained(tmp_path, pools, settings):
    rows = _search(
        tmp_path / "run", _config("method.shortlist=4", "method.max_candidates=240", *settings)
    )
    members = [row.id for row in rows if row.is_member]
    passed_over = [row for row in rows if row.reason == "unpromising"]
    trained = [row for row in rows if row.was_evaluated and row.origin != "baseline"]
    # Without ten members every layer is trained; the last shortlist may be shorter.
    first = min(row.id for row in passed_over)
    assert first > members[9]
    later = [row for row in trained if row.id > first]
    assert 3 * len(later) - 4 <= len(passed_over) <= 3 * len(later) + 4
    assert len(passed_over) > 10
    assert not [row for row in rows if row.status in ("pending", "running")]
    # It is no verdict on a function: a later genotype of the same function may be trained.
    assert not [row for row in passed_over if row.duplicate_of]


def test_a_function_is_trained_once(tmp_path, pools):
    rows = _search(tmp_path / "run", _config("method.max_candidates=400"))
    own = [row for row in rows if row.origin != "baseline"]
    by_id = {row.id: row for row in own}
    trained = [tag[0] for tag, kind in pools[0].submitted if kind == "evaluate"]
    assert len(trained) == len(set(trained))
    fingerprints = Counter(by_id[number].fingerprint for number in trained if number in by_id)
    assert set(fingerprints.values()) == {1}
    duplicates = [row for row in own if row.status == "duplicate"]
    assert len(duplicates) > 30
    for row in duplicates:
        original = by_id[row.duplicate_of]
        assert original.duplicate_of is None
        assert original.fingerprint == row.fingerprint
        assert (row.scores, row.fitness, row.reason) == (
            original.scores,
            original.fitness,
            original.reason,
        )


def test_without_the_cache_every_candidate_is_evaluated(tmp_path, pools):
    rows = _search(tmp_path / "run", _config("evaluation.equivalence_cache=false"))
    assert not [row for row in rows if row.status == "duplicate"]
    assert not [row for row in rows if row.duplicate_of]


def test_the_audit_trains_hits_again_and_keeps_the_original_s_scores(tmp_path, pools):
    rows = _search(tmp_path / "run", _config("evaluation.audit_fraction=1"))
    by_id = {row.id: row for row in rows}
    duplicates = [row for row in rows if row.status == "duplicate"]
    audits = [row.stages["audit"] for row in duplicates]
    assert len(audits) > 10
    # The made-up scores follow the structure, the made-up fingerprint only its last digits,
    # so that they agree exactly where both are the same.
    for row, audit in zip(duplicates, audits, strict=True):
        original = by_id[row.duplicate_of]
        assert audit["agrees"] == (audit["status"] == original.status)
        assert row.scores == original.scores
        if audit["agrees"] and audit["scores"]:
            assert audit["largest_difference"] == max(
                abs(audit["scores"][a] - original.scores[a]) for a in ANCHORS
            )


def test_waiting_for_a_function_in_training(tmp_path, pools):
    # With several workers a duplicate can be born while its original is being trained.
    rows = _search(tmp_path / "run", _config("workers=8", "method.max_candidates=400"))
    assert {row.status for row in rows} <= {"accepted", "rejected", "duplicate"}
    trained = [tag[0] for tag, kind in pools[0].submitted if kind == "evaluate"]
    by_id = {row.id: row for row in rows}
    fingerprints = [by_id[n].fingerprint for n in trained if by_id[n].origin != "baseline"]
    assert len(fingerprints) == len(set(fingerprints))


def test_a_candidate_that_kills_its_worker_fails_after_three_attempts(tmp_path, monkeypatch):
    pool = FakePool(_config())
    monkeypatch.setattr(loop, "new_pool", lambda settings: pool)
    healthy = _search(tmp_path / "healthy", _config())
    deadly = next(row.id for row in healthy if row.fingerprint and row.origin == "random")
    pool.__init__(_config())
    pool.dies_at = {deadly}
    rows = {row.id: row for row in _search(tmp_path / "run", _config())}
    assert (rows[deadly].status, rows[deadly].reason) == ("failed", "crash")
    assert [tag for tag, _ in pool.submitted].count((deadly, "probe")) == 3
    assert Counter(row.status for row in rows.values())["failed"] == 1


def test_structure_alone_rejects_what_does_not_use_its_input(tmp_path, pools):
    rows = _search(tmp_path / "run", _config("method.algorithm=random_rejection"))
    rejected = {row.id for row in rows if row.reason == "no_input"}
    assert len(rejected) > 50
    assert not rejected & {tag[0] for tag, _ in pools[0].submitted}
    assert not [row for row in rows if row.origin == "mutation"]


def test_random_search_without_rejection_trains_everything(tmp_path, pools):
    settings = _config("method.algorithm=random", "evaluation.equivalence_cache=false")
    rows = _search(tmp_path / "run", settings)
    assert {row.status for row in rows} == {"accepted"}


def test_the_budget_of_trained_genotypes(tmp_path, pools):
    settings = _config("method.max_candidates=none", "method.max_trained=15")
    rows = _search(tmp_path / "run", settings)
    trained = [row for row in rows if row.status == "accepted" and row.origin != "baseline"]
    assert len(trained) == 15


def test_the_budget_of_evaluated_genotypes(tmp_path, pools):
    settings = _config("method.max_candidates=none", "method.max_evaluated=15")
    rows = _search(tmp_path / "run", settings)
    assert sum(row.was_evaluated for row in rows if row.origin != "baseline") == 15
    assert any(row.status == "rejected" for row in rows if not row.was_evaluated)


def test_events_tell_the_figures_of_the_store(tmp_path, pools):
    progress = Silent()
    rows = _search(tmp_path / "run", _config(), progress)
    last = progress.events[-1]
    own = [row for row in rows if row.origin != "baseline"]
    assert progress.events[0].kind == "started"
    assert last.sampled == 120
    assert last.counts == Counter(row.status for row in own)
    assert last.reasons == Counter(row.reason for row in own if row.status == "rejected")
    assert last.best.fitness == max(row.fitness for row in own if row.status == "accepted")
    assert last.share == 1.0
    finished = [event.candidate.id for event in progress.events if event.kind == "finished"]
    assert sorted(finished) == [row.id for row in rows]


def test_only_the_window_has_offspring_and_a_function_one_place_in_it(tmp_path, pools):
    settings = _config("method.window=5", "method.max_candidates=300")
    rows = _search(tmp_path / "run", settings)
    members = [row for row in rows if row.is_member]
    assert any(row.status == "duplicate" for row in members)
    functions = {row.id: row.duplicate_of or row.id for row in members}
    for row in rows:
        if row.parent is None:
            continue
        newest = {}
        for member in members:
            if member.id < row.id:
                newest[functions[member.id]] = member.id
        assert row.parent in sorted(newest.values())[-5:]


def test_without_renewal_a_rediscovery_is_a_member_of_its_own(tmp_path, pools):
    settings = _config("method.window=5", "method.max_candidates=300", "method.renewal=false")
    rows = _search(tmp_path / "run", settings)
    members = [row.id for row in rows if row.is_member]
    parents = [row for row in rows if row.parent is not None]
    for row in parents:
        assert row.parent in [number for number in members if number < row.id][-5:]
    by_id = {row.id: row for row in rows}
    assert any(by_id[row.parent].duplicate_of for row in parents)


def test_neutral_mutants_are_mutated_further_on_request(tmp_path, pools):
    def neutral(*settings):
        rows = _search(tmp_path / str(len(settings)), _config(*settings))
        graphs = {row.id: LayerGraph.from_json(row.graph) for row in rows if row.graph}
        mutants = [row for row in rows if row.parent is not None]
        assert len(mutants) > 20
        return sum(
            graphs[row.id].fingerprint() == graphs[row.parent].fingerprint() for row in mutants
        )

    assert neutral("method.max_candidates=300") > 0
    assert neutral("method.max_candidates=300", "method.skip_neutral=true") == 0


def test_best_graphs_are_files_that_load(tmp_path, pools):
    settings = _config()
    with lifecycle.create(tmp_path / "run", settings) as store:
        lifecycle.execute(store, settings, Silent(), with_final=False)
        files = sorted((tmp_path / "run" / "best").glob("*.json"))
        top = store.top(10)
    assert [file.stem for file in files] == [
        f"{rank:02d}_candidate_{row.id}" for rank, row in enumerate(top, start=1)
    ]
    for file, row in zip(files, top, strict=True):
        graph = LayerGraph.load(file)
        assert graph == LayerGraph.from_json(row.graph)
        assert graph.name == f"candidate_{row.id}"


def test_the_figures_of_a_cluster_are_in_the_store(tmp_path, pools, monkeypatch):
    figures = Cluster(nodes=3, cpus=12.0, running=2, waiting=1, per_minute={"a": 1.0}, lost=4)
    monkeypatch.setattr(FakePool, "cluster", lambda self: figures)
    settings = _config("method.max_candidates=3")
    _search(tmp_path / "run", settings)
    with Store.open(tmp_path / "run") as store:
        stored = store.meta("cluster")
        assert (stored["nodes"], stored["waiting"], stored["lost"]) == (3, 1, 4)
        assert "3 nodes with 12 CPUs; 2 tasks run" in Pages(tmp_path / "run").live()
        store.set_meta("cluster", {"nodes": "<b>"})
        with pytest.raises(SearchError, match="meta cluster must be figures of a cluster"):
            store.meta("cluster")
