"""The run's database: what is written is read back, and what is wrong is refused."""

import os
import sqlite3
import subprocess
import sys

import pytest

from search.errors import SearchError
from search.storage.candidate import Candidate
from search.storage.database import DATABASE
from search.storage.store import Store


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "run", {"seed": 3, "config": {"a": [1, 2]}}) as store:
        yield store


def _add(store, number, **fields):
    store.add(Candidate(number, fields.pop("origin", "random"), **fields))


def test_rows_and_meta_are_read_back(store):
    _add(store, 1, graph="{}", formula="x", scores={"a": 0.5}, stages={"probe": {"seconds": 1.0}})
    store.update(1, status="accepted", fitness=0.5, finished=2.0)
    row = store.candidate(1)
    assert (row.status, row.fitness, row.scores, row.finished) == ("accepted", 0.5, {"a": 0.5}, 2.0)
    assert row.stages == {"probe": {"seconds": 1.0}}
    assert row.created > 0
    assert store.meta("config") == {"a": [1, 2]}
    store.set_meta("seed", 4)
    assert store.meta("seed") == 4
    assert store.meta("absent", "default") == "default"


def test_counts_reasons_and_top(store):
    _add(store, 1, origin="baseline", name="bn_relu", status="accepted", fitness=0.99)
    for number, fitness in ((2, 0.5), (3, 0.9), (4, 0.9)):
        _add(store, number, status="accepted", fitness=fitness)
    _add(store, 5, status="duplicate", duplicate_of=3, fitness=0.9)
    for number, reason in ((6, "quality"), (7, "quality"), (8, "constant")):
        _add(store, number, status="rejected", reason=reason)
    _add(store, 9, status="failed", reason="crash")
    assert store.counts() == {"accepted": 3, "duplicate": 1, "failed": 1, "rejected": 3}
    assert store.reasons() == {"constant": 1, "crash": 1, "quality": 2}
    assert [row.id for row in store.top(2)] == [3, 4]
    assert [row.name for row in store.baselines()] == ["bn_relu"]
    members = [row.id for row in store.candidates() if row.is_member]
    assert members == [2, 3, 4, 5]
    assert [row.id for row in store.candidates("failed", "duplicate")] == [5, 9]


def test_a_second_controller_is_refused_and_a_reader_is_not(store):
    with pytest.raises(SearchError, match="another search is running in"):
        Store.open(store.run_dir, controller=True)
    with Store.open(store.run_dir) as reader:
        assert reader.meta("seed") == 3


def test_the_lock_is_given_back(store):
    store.close()
    Store.open(store.run_dir, controller=True).close()


def test_a_folder_with_a_run_is_not_overwritten(store):
    _add(store, 1)
    store.close()
    with pytest.raises(SearchError, match="holds a search already"):
        Store.create(store.run_dir, {})
    with Store.open(store.run_dir) as reader:
        assert [row.id for row in reader.candidates()] == [1]


def test_a_database_is_as_readers_need_it_when_it_appears(tmp_path, monkeypatch):
    # A change of the journal's mode is refused at once where another process is connected.
    heads = []

    def replace(source, target):
        heads.append(source.read_bytes()[18:20])
        assert [path.name for path in tmp_path.glob("*.part*")] == [source.name]
        return rename(source, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", replace)
    for leftover in ("", "-wal", "-shm"):
        (tmp_path / f"{DATABASE}.part{leftover}").write_bytes(b"of a creation that was killed")
    Store.create(tmp_path, {}).close()
    assert heads == [b"\x02\x02"]  # the file format's versions for reading and writing: WAL


def test_another_schema_version_is_refused(store):
    store.set_meta("schema_version", 99)
    store.close()
    with pytest.raises(SearchError, match="schema version 99; this program reads version 1"):
        Store.open(store.run_dir)


def test_no_run_is_refused(tmp_path):
    with pytest.raises(SearchError, match="holds no search"):
        Store.open(tmp_path)


def test_a_file_that_is_no_database_is_refused_and_kept(store):
    store.close()
    path = store.run_dir / DATABASE
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(SearchError, match="file is not a database"):
        Store.open(store.run_dir)
    assert path.read_bytes() == b"not a database" * 100


def test_a_damaged_database_is_refused(store):
    for number in range(1, 200):
        _add(store, number, formula="x" * 100)
    store.close()
    path = store.run_dir / DATABASE
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    path.write_bytes(data)
    with pytest.raises(SearchError, match=r"malformed|damaged"):
        Store.open(store.run_dir, controller=True)


def test_an_unknown_status_cannot_be_written(store):
    _add(store, 1)
    with pytest.raises(SearchError, match="CHECK constraint failed"):
        store.update(1, status="lost")
    assert store.candidate(1).status == "pending"


def test_writes_that_fail_leave_the_row_as_it_was(store):
    _add(store, 1, formula="x")
    with pytest.raises(SearchError, match="UNIQUE constraint failed"):
        _add(store, 1, formula="y")
    assert store.candidate(1).formula == "x"


def test_sqlite_itself_finds_the_file_intact(store):
    _add(store, 1)
    connection = sqlite3.connect(store.run_dir / DATABASE)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_batch_is_one_transaction_that_a_killed_process_loses_whole(store):
    _add(store, 1)
    store.close()
    code = (
        "import os, sys; from search.storage.candidate import Candidate\n"
        "from search.storage.store import Store\n"
        "store = Store.open(sys.argv[1], controller=True)\n"
        "with store.batch():\n"
        "    store.add(Candidate(2, 'random')); store.update(1, status='running')\n"
        "    store.learn('f', 1)\n"
        "with store.batch():\n"
        "    store.add(Candidate(3, 'random')); store.learn('g', 3)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(store.run_dir)], check=False)
    assert done.returncode == -9
    with Store.open(store.run_dir, controller=True) as opened:
        assert [(row.id, row.status) for row in opened.candidates()] == [
            (1, "running"),
            (2, "pending"),
        ]
        assert (opened.known("f"), opened.known("g")) == (1, None)


def test_an_error_in_a_batch_keeps_what_came_before_it(store):
    with pytest.raises(SearchError, match="UNIQUE"), store.batch():
        _add(store, 1)
        _add(store, 1)
    assert [row.id for row in store.candidates()] == [1]


def test_the_first_candidate_of_a_function_stands_for_it_until_it_is_forgotten(store):
    for number in (1, 2):
        _add(store, number)
        store.learn("tanh", number)
    assert store.known("tanh") == 1
    store.forget("tanh", 2)
    assert store.known("tanh") == 1
    store.forget("tanh", 1)
    assert store.known("tanh") is None


def test_a_run_of_an_earlier_version_gets_the_tables_it_lacks(store):
    _add(store, 1, status="accepted", fitness=0.5)
    _add(store, 2, status="duplicate", fitness=0.5)
    _add(store, 3, origin="baseline", status="accepted", fitness=0.5)
    store.close()
    connection = sqlite3.connect(store.run_dir / DATABASE)
    connection.executescript("DROP TABLE known; DROP TABLE refusals")
    connection.close()
    with Store.open(store.run_dir) as reader:
        assert reader.refusals() == []
    with Store.open(store.run_dir, controller=True) as opened:
        opened.upgrade(lambda row: [f"f{row.id}"])
        opened.refuse(7, "host", "no")
        assert [opened.known(f"f{number}") for number in (1, 2, 3)] == [1, None, None]
        assert [row[1:] for row in opened.refusals()] == [(7, "host", "no")]
        opened.upgrade(lambda row: [f"g{row.id}"])
        assert opened.known("g1") is None


def test_members_come_newest_first(store):
    for number in (1, 2, 3):
        _add(store, number, status="accepted", fitness=0.1 * number)
    _add(store, 4, status="rejected")
    _add(store, 5, origin="baseline", status="accepted", fitness=1.0)
    assert [row.id for row in store.members()] == [3, 2, 1]
    assert (store.count_members(), store.last_id()) == (3, 5)
