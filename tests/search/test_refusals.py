"""What the controller does with a report that it does not believe."""

import dataclasses

from search import cli, lifecycle
from search.controller.loop import Controller
from search.storage.store import Store
from search.workers.messages import read_report
from tests.search.test_controller import ANCHORS, FakePool, Silent, _config


class Lying(FakePool):
    """Some answers come as bytes that a malicious worker chose."""

    lies: dict = {}

    def wait(self, timeout=None):
        tag, kind, arguments = self._tasks[-1]
        if (tag[0], kind) not in self.lies:
            return super().wait(timeout)
        self._tasks.pop()
        data = self.lies[tag[0], kind]
        return [read_report(data, tag, kind, arguments, ANCHORS, "mallory")]


def _search(path, pool):
    progress = Silent()
    settings = _config("method.max_candidates=40")
    with lifecycle.create(path, settings) as store:
        Controller(settings, store, progress, pool).run()
    with Store.open(path) as store:
        return store.candidates(), store.refusals(), progress.events


def test_a_lie_is_logged_and_told_and_the_candidate_tried_again(tmp_path, capsys):
    honest, refusals, _ = _search(tmp_path / "honest", FakePool)
    assert refusals == []
    victim = next(row.id for row in honest if row.status == "accepted" and row.id > 3)
    lies = {(victim, "evaluate"): b'{"kind": "evaluate", "layer": "", "result": NaN}'}
    pool = type("Pool", (Lying,), {"lies": lies})
    rows, refusals, events = _search(tmp_path / "run", pool)
    row = next(row for row in rows if row.id == victim)
    assert (row.status, row.reason, row.scores) == ("failed", "refused", None)
    assert [(number, host) for _, number, host, _ in refusals] == [(victim, "mallory")] * 3
    assert all("not finite: NaN" in reason for *_, reason in refusals)
    texts = [event.text for event in events if event.kind == "refused"]
    assert len(texts) == 3 and all("not finite" in text for text in texts)
    assert cli.main(["status", "--run-dir", str(tmp_path / "run")]) == 0
    assert "reports refused: 3, the last one: it has a number" in capsys.readouterr().out


def test_an_answer_that_nobody_asked_for_changes_nothing(tmp_path):
    class Inventing(FakePool):
        def wait(self, timeout=None):
            answers = super().wait(timeout)
            made_up = [
                dataclasses.replace(answers[0], tag=(10_000, "evaluate"), host="mallory"),
                dataclasses.replace(answers[0], tag=(answers[0].tag[0], "audit")),
            ]
            return [*made_up, *answers, answers[0]]

    honest, *_ = _search(tmp_path / "honest", FakePool)
    rows, refusals, _ = _search(tmp_path / "run", Inventing)
    assert [(row.status, row.scores) for row in rows] == [
        (row.status, row.scores) for row in honest
    ]
    assert {number for _, number, *_ in refusals} >= {10_000}
    assert all("is under way" in reason for *_, reason in refusals)


def test_a_graph_in_the_database_that_is_not_valid_fails_alone(tmp_path):
    path = tmp_path / "run"
    settings = _config("method.max_candidates=30")
    with lifecycle.create(path, settings) as store:
        Controller(settings, store, Silent(), FakePool).run()
        member = next(store.members()).id
        waiting = next(row.id for row in store.candidates("rejected", "duplicate"))
        store.update(waiting, status="running", graph='{"nodes": "__import__(\'os\')"}')
        store.update(member, graph="not a graph")
    settings = _config("method.max_candidates=60")
    with Store.open(path, controller=True) as store:
        Controller(settings, store, Silent(), FakePool).run()
        row = store.candidate(waiting)
        assert (row.status, row.reason) == ("failed", "invalid graph")
        assert {number for _, number, *_ in store.refusals()} == {waiting, member}
        assert len(store.candidates()) == 63
        assert not any(row.parent == member for row in store.candidates() if row.id > 33)
