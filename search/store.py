"""The run's memory: one SQLite file with every genotype and what became of it.

Every change is one transaction in write-ahead mode, so a killed process loses at most the
change it was making. One controller writes, which a lock file ensures; any number of
processes may read meanwhile.
"""

import dataclasses
import fcntl
import json
import os
import pathlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from search.errors import SearchError

SCHEMA_VERSION = 1
DATABASE = "search.sqlite"
LOCK = "search.lock"

ORIGINS = ("random", "mutation", "baseline")
STATUSES = ("pending", "running", "accepted", "rejected", "duplicate", "failed")

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE candidates (
  id INTEGER PRIMARY KEY,   -- order of birth
  origin TEXT NOT NULL CHECK (origin IN ('random', 'mutation', 'baseline')),
  parent INTEGER REFERENCES candidates (id),
  name TEXT,                -- of a baseline: its name in the registry
  graph TEXT,               -- JSON; absent for a baseline that is no layer graph
  formula TEXT,
  fingerprint TEXT,         -- numeric: equal for layers that compute the same function
  status TEXT NOT NULL CHECK (
    status IN ('pending', 'running', 'accepted', 'rejected', 'duplicate', 'failed')),
  reason TEXT,              -- of a rejection or failure
  duplicate_of INTEGER REFERENCES candidates (id),
  scores TEXT,              -- JSON: anchor -> validation accuracy
  fitness REAL,             -- mean of the scores
  stages TEXT,              -- JSON: stage -> seconds and figures
  seconds REAL,             -- of evaluation
  host TEXT,
  created REAL NOT NULL,
  finished REAL
);
CREATE INDEX by_status ON candidates (status);
"""
_JSON_FIELDS = ("scores", "stages")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One row of the table `candidates`; `scores` and `stages` are decoded."""

    id: int
    origin: str
    parent: int | None = None
    name: str | None = None
    graph: str | None = None
    formula: str | None = None
    fingerprint: str | None = None
    status: str = "pending"
    reason: str | None = None
    duplicate_of: int | None = None
    scores: Mapping[str, float] | None = None
    fitness: float | None = None
    stages: Mapping[str, Any] | None = None
    seconds: float | None = None
    host: str | None = None
    created: float = 0.0
    finished: float | None = None

    @property
    def is_member(self) -> bool:
        """Whether the genotype was accepted into the population, trained or as a duplicate."""
        return self.origin != "baseline" and self.fitness is not None


_FIELDS = tuple(field.name for field in dataclasses.fields(Candidate))


class Store:
    """A run folder's database.

    Use `Store.create` for a new run, `Store.open` to go on with one or to read it.
    """

    def __init__(self, run_dir: pathlib.Path, connection: sqlite3.Connection, lock: Any):
        self.run_dir = run_dir
        self._connection = connection
        self._lock = lock

    @classmethod
    def create(cls, run_dir: str | os.PathLike, meta: Mapping[str, Any]) -> "Store":
        """Makes the folder and an empty database, and takes the controller's lock.

        Raises:
          SearchError: for a folder that holds a run already or cannot be written.
        """
        run_dir = pathlib.Path(run_dir)
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            lock = _take_lock(run_dir)
        except OSError as error:
            raise SearchError(f"cannot write the run folder {run_dir}: {_reason(error)}") from None
        path = run_dir / DATABASE
        if path.exists():
            raise SearchError(
                f"{run_dir} holds a search already: `resume` it, or choose another --run-dir"
            )
        part = run_dir / f"{DATABASE}.part"
        with _as_search_error(path):
            part.unlink(missing_ok=True)
            connection = sqlite3.connect(part)
            connection.executescript(_SCHEMA)
            values = {"schema_version": SCHEMA_VERSION, "created": time.time(), **meta}
            rows = [(key, json.dumps(value)) for key, value in values.items()]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            connection.commit()
            connection.close()
            # A database appears under its name whole or not at all.
            os.replace(part, path)
        return cls(run_dir, _connect(path), lock)

    @classmethod
    def open(cls, run_dir: str | os.PathLike, controller: bool = False) -> "Store":
        """Opens an existing run, as its one controller or as a reader.

        Raises:
          SearchError: for no run, another schema version, a damaged file, or a second
            controller.
        """
        run_dir = pathlib.Path(run_dir)
        path = run_dir / DATABASE
        if not path.is_file():
            raise SearchError(f"{run_dir} holds no search: there is no {DATABASE}")
        try:
            lock = _take_lock(run_dir) if controller else None
        except OSError as error:
            raise SearchError(f"cannot write the run folder {run_dir}: {_reason(error)}") from None
        with _as_search_error(path):
            connection = _connect(path)
            store = cls(run_dir, connection, lock)
            store._check_version(path)
            if controller and connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("its pages are damaged")
        return store

    def close(self) -> None:
        """Closes the database and gives the lock back."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def meta(self, key: str, default: Any = None) -> Any:
        """A decoded value of the table `meta`."""
        rows = self._query("SELECT value FROM meta WHERE key = ?", [key])
        return json.loads(rows[0][0]) if rows else default

    def set_meta(self, key: str, value: Any) -> None:
        """Writes a value, which must be JSON, into the table `meta`."""
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, json.dumps(value)])

    def add(self, candidate: Candidate) -> None:
        """Writes a new row."""
        values = _encode({name: getattr(candidate, name) for name in _FIELDS})
        values["created"] = candidate.created or time.time()
        marks = ", ".join("?" * len(values))
        columns = ", ".join(values)
        self._execute(f"INSERT INTO candidates ({columns}) VALUES ({marks})", list(values.values()))

    def update(self, candidate_id: int, **changes: Any) -> None:
        """Changes fields of one row, all at once."""
        values = _encode(changes)
        columns = ", ".join(f"{name} = ?" for name in values)
        self._execute(
            f"UPDATE candidates SET {columns} WHERE id = ?", [*values.values(), candidate_id]
        )

    def candidates(self, *statuses: str) -> list[Candidate]:
        """All rows in order of birth, or those of the given statuses."""
        where = f"WHERE status IN ({', '.join('?' * len(statuses))})" if statuses else ""
        return self._select(f"{where} ORDER BY id", list(statuses))

    def candidate(self, candidate_id: int) -> Candidate:
        """One row. Raises SearchError for an unknown id."""
        rows = self._select("WHERE id = ?", [candidate_id])
        if not rows:
            raise SearchError(f"{self.run_dir} has no candidate {candidate_id}")
        return rows[0]

    def top(self, k: int) -> list[Candidate]:
        """The k genotypes of the highest fitness, each function once, earlier ones first."""
        where = "WHERE status = 'accepted' AND origin != 'baseline'"
        return self._select(f"{where} ORDER BY fitness DESC, id LIMIT ?", [k])

    def baselines(self) -> list[Candidate]:
        """The handwritten layers that were evaluated beside the genotypes."""
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
        rows = self._query(f"SELECT {', '.join(_FIELDS)} FROM candidates {clause}", values)
        return [_decode(row) for row in rows]

    def _query(self, statement: str, values: list[Any]) -> list[tuple]:
        with _as_search_error(self.run_dir / DATABASE):
            return self._connection.execute(statement, values).fetchall()

    def _execute(self, statement: str, values: list[Any]) -> None:
        with _as_search_error(self.run_dir / DATABASE), self._connection:
            self._connection.execute(statement, values)

    def _check_version(self, path: pathlib.Path) -> None:
        row = self._connection.execute(
            "SELECT value FROM meta WHERE key = 'schema_version'"
        ).fetchone()
        if row is None or json.loads(row[0]) != SCHEMA_VERSION:
            found = "none" if row is None else row[0]
            raise SearchError(
                f"{path} has schema version {found}; this program reads version {SCHEMA_VERSION}"
            )


def _connect(path: pathlib.Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _take_lock(run_dir: pathlib.Path) -> Any:
    lock = (run_dir / LOCK).open("a", encoding="utf-8")
    try:
        # The kernel gives the lock back when its holder dies, however it dies.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SearchError(f"another search is running in {run_dir}") from None
    return lock


@contextmanager
def _as_search_error(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, json.JSONDecodeError) as error:
        raise SearchError(f"{path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _encode(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if name in _JSON_FIELDS and value is not None else value
        for name, value in values.items()
    }


def _decode(row: tuple) -> Candidate:
    values = dict(zip(_FIELDS, row, strict=True))
    for name in _JSON_FIELDS:
        if values[name] is not None:
            values[name] = json.loads(values[name])
    return Candidate(**values)
