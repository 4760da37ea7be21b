"""`Store`: the state of a run, one SQLite file with every candidate and its verdict.

Every change is a transaction in write-ahead mode, or part of the caller's batch, which is one
transaction. So a killed process loses at most its unfinished transaction. A lock file ensures that
only one controller writes; any number of processes may read at the same time. Values are numbers,
text and JSON; nothing is unpickled.
"""

import hashlib
import json
import os
import pathlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from search.errors import SearchError
from search.storage import database, values
from search.storage.candidate import COLUMNS, JSON_COLUMNS, Candidate, read_row
from search.storage.database import DATABASE, as_search_error

_COLUMN_LIST = ", ".join(COLUMNS)
_MEMBERS = "WHERE fitness IS NOT NULL AND origin != 'baseline'"
_HASH_BYTES = 16


class Store:
    """A run folder's database.

    `Store.create` makes a new run; `Store.open` resumes or reads an existing one.
    """

    def __init__(self, run_dir: pathlib.Path, connection: sqlite3.Connection, lock: Any):
        self.run_dir = run_dir
        self._path = run_dir / DATABASE
        self._connection = connection
        self._lock = lock
        self._in_batch = False

    @classmethod
    def create(cls, run_dir: str | os.PathLike, meta: Mapping[str, Any]) -> "Store":
        """Makes the folder and an empty database, and takes the controller's lock.

        Raises:
          SearchError: for a folder that already has a run, or cannot be written.
        """
        run_dir = pathlib.Path(run_dir)
        with _as_folder_error(run_dir):
            run_dir.mkdir(parents=True, exist_ok=True)
            database.check_no_links(run_dir)
            lock = database.take_lock(run_dir)
        path = run_dir / DATABASE
        if path.exists():
            raise SearchError(
                f"{run_dir} holds a search already: `resume` it, or choose another --run-dir"
            )
        with as_search_error(path):
            database.make(path, meta)
            return cls(run_dir, database.connect(path), lock)

    @classmethod
    def open(cls, run_dir: str | os.PathLike, controller: bool = False) -> "Store":
        """Opens an existing run, as its one controller or as a reader.

        Raises:
          SearchError: for a folder without a run, another schema version, a damaged file, a link
            among the files, or a second controller.
        """
        run_dir = pathlib.Path(run_dir)
        path = run_dir / DATABASE
        if not path.is_file():
            raise SearchError(f"{run_dir} holds no search: there is no {DATABASE}")
        with _as_folder_error(run_dir):
            database.check_no_links(run_dir)
            lock = database.take_lock(run_dir) if controller else None
        with as_search_error(path):
            connection = database.connect(path)
            database.check(connection, path, whole=controller)
        return cls(run_dir, connection, lock)

    def close(self) -> None:
        """Closes the database and releases the lock."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def meta(self, key: str, default: Any = None) -> Any:
        """A decoded value of the table `meta`. Raises SearchError for one of a wrong type."""
        rows = self._query("SELECT value FROM meta WHERE key = ?", [key])
        with as_search_error(self._path):
            return values.meta_value(key, rows[0][0]) if rows else default

    def set_meta(self, key: str, value: Any) -> None:
        """Writes a value, which must be JSON, into the table `meta`."""
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, json.dumps(value)])

    def add(self, candidate: Candidate) -> None:
        """Writes a new candidate."""
        row = _encode({name: getattr(candidate, name) for name in COLUMNS})
        row["created"] = candidate.created or time.time()
        marks = ", ".join("?" * len(row))
        self._execute(f"INSERT INTO candidates ({_COLUMN_LIST}) VALUES ({marks})", [*row.values()])

    def update(self, candidate_id: int, **changes: Any) -> None:
        """Changes fields of one candidate in one transaction."""
        fields = _encode(changes)
        columns = ", ".join(f"{name} = ?" for name in fields)
        self._execute(
            f"UPDATE candidates SET {columns} WHERE id = ?", [*fields.values(), candidate_id]
        )

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Makes one transaction of all changes in the context, or of those before an error."""
        self._in_batch = True
        try:
            yield
        finally:
            self._in_batch = False
            with as_search_error(self._path):
                self._connection.commit()

    def learn(self, function: str, candidate_id: int) -> None:
        """Makes a candidate the original of a function, unless the function has one."""
        self._execute("INSERT OR IGNORE INTO known VALUES (?, ?)", [_hash(function), candidate_id])

    def known(self, function: str) -> int | None:
        """The original of a function, if there is one."""
        rows = self._query("SELECT candidate FROM known WHERE function = ?", [_hash(function)])
        return rows[0][0] if rows else None

    def forget(self, function: str, candidate_id: int) -> None:
        """Removes a function whose original is the candidate."""
        key = [_hash(function), candidate_id]
        self._execute("DELETE FROM known WHERE function = ? AND candidate = ?", key)

    def upgrade(self, functions: Callable[[Candidate], Iterable[str]]) -> None:
        """Adds the tables that runs of earlier versions lack.

        Args:
          functions: returns the fingerprints of a candidate, for the equivalence cache.
        """
        names = {name for (name,) in self._query("SELECT name FROM sqlite_master", [])}
        with self.batch():
            if "refusals" not in names:
                self._execute(database.REFUSALS, [])
            if "known" in names:
                return
            self._execute(database.KNOWN, [])
            for row in self.candidates("accepted", "rejected"):
                for function in functions(row) if row.origin != "baseline" else ():
                    self.learn(function, row.id)

    def refuse(self, candidate_id: int | None, host: str | None, reason: str) -> None:
        """Logs a worker's report that failed its checks."""
        row = [time.time(), candidate_id, host, reason]
        self._execute("INSERT INTO refusals VALUES (?, ?, ?, ?)", row)

    def refusals(self) -> list[tuple[float, int | None, str | None, str]]:
        """All refused reports: time, candidate, host and reason."""
        if not self._query("SELECT 1 FROM sqlite_master WHERE name = 'refusals'", []):
            return []
        return self._query("SELECT time, candidate, host, reason FROM refusals", [])

    def members(self) -> Iterator[Candidate]:
        """The members of the population, the newest first, read one by one."""
        return self._rows(f"{_MEMBERS} ORDER BY id DESC", [])

    def count_members(self) -> int:
        """The number of members."""
        return self._query(f"SELECT COUNT(*) FROM candidates {_MEMBERS}", [])[0][0]

    def last_id(self) -> int:
        """The id of the newest candidate; 0 without any."""
        return self._query("SELECT MAX(id) FROM candidates", [])[0][0] or 0

    def candidates(self, *statuses: str) -> list[Candidate]:
        """All candidates in order of birth, or those of the given statuses."""
        where = f"WHERE status IN ({', '.join('?' * len(statuses))})" if statuses else ""
        return self._select(f"{where} ORDER BY id", list(statuses))

    def finished_since(self, moment: float, among: int) -> dict[str, int]:
        """Number of verdicts of each host since a time, among so many newest candidates."""
        rows = self._query(
            "SELECT CAST(host AS TEXT), COUNT(*) FROM candidates WHERE id > ? AND finished >= ? "
            "GROUP BY host",
            [self.last_id() - among, moment],
        )
        return {host or "": count for host, count in rows}

    def candidate(self, candidate_id: int) -> Candidate:
        """One candidate. Raises SearchError for an unknown id."""
        rows = self._select("WHERE id = ?", [candidate_id])
        if not rows:
            raise SearchError(f"{self.run_dir} has no candidate {candidate_id}")
        return rows[0]

    def top(self, k: int) -> list[Candidate]:
        """The k genotypes of the highest fitness, each function once, the older of equals first."""
        where = "WHERE status = 'accepted' AND origin != 'baseline'"
        return self._select(f"{where} ORDER BY fitness DESC, id LIMIT ?", [k])

    def baselines(self) -> list[Candidate]:
        """The handwritten layers, which are evaluated like the genotypes."""
        return self._select("WHERE origin = 'baseline' ORDER BY id", [])

    def counts(self) -> dict[str, int]:
        """Number of genotypes of each status; baselines are left out."""
        return self._counts("status", "origin != 'baseline'")

    def reasons(self) -> dict[str, int]:
        """Number of rejected and failed genotypes of each reason; baselines are left out."""
        return self._counts("reason", "status IN ('rejected', 'failed') AND origin != 'baseline'")

    def _counts(self, column: str, where: str) -> dict[str, int]:
        rows = f"SELECT {column}, COUNT(*) FROM candidates WHERE {where} GROUP BY {column}"
        return dict(self._query(f"{rows} ORDER BY {column}", []))

    def _select(self, clause: str, values: list[Any]) -> list[Candidate]:
        return list(self._rows(clause, values))

    def _rows(self, clause: str, values: list[Any]) -> Iterator[Candidate]:
        statement = f"SELECT {_COLUMN_LIST} FROM candidates {clause}"
        with as_search_error(self._path):
            for row in self._connection.execute(statement, values):
                yield read_row(row)

    def _query(self, statement: str, values: list[Any]) -> list[tuple]:
        with as_search_error(self._path):
            return self._connection.execute(statement, values).fetchall()

    def _execute(self, statement: str, values: list[Any]) -> None:
        with as_search_error(self._path):
            if self._in_batch:
                self._begin()
                self._connection.execute(statement, values)
            else:
                with self._connection:
                    self._connection.execute(statement, values)

    def _begin(self) -> None:
        # sqlite3 does not begin a transaction for a change of the schema.
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")


def _hash(function: str) -> bytes:
    return hashlib.blake2b(function.encode(), digest_size=_HASH_BYTES).digest()


def _encode(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if name in JSON_COLUMNS and value is not None else value
        for name, value in fields.items()
    }


@contextmanager
def _as_folder_error(run_dir: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = database.error_text(error)
        raise SearchError(f"cannot write the run folder {run_dir}: {text}") from None
