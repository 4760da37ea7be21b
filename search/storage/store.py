"""The run's memory: one SQLite file with every genotype and what became of it.

Every change is one transaction in write-ahead mode, or a part of the batch that its caller
opened, so a killed process loses at most the change or the batch it was making. One
controller writes, which a lock file ensures; any number of processes may read meanwhile.
Values are numbers and JSON: nothing is ever unpickled.
"""

import dataclasses
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
from search.evaluation.outcome import TRAINED_REASONS
from search.storage import checks as stored
from search.storage.database import (
    DATABASE,
    KNOWN,
    REFUSALS,
    SCHEMA,
    as_search_error,
    check_no_links,
    connect,
    reason,
    take_lock,
)

SCHEMA_VERSION = 1
ORIGINS = ("random", "mutation", "baseline")
STATUSES = ("pending", "running", "accepted", "rejected", "duplicate", "failed")

_HASH_BYTES = 16


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

    @property
    def was_evaluated(self) -> bool:
        """Whether training was spent on it: accepted, or rejected by a test that trains."""
        was_trained = self.status == "accepted" or self.reason in TRAINED_REASONS
        return was_trained and self.duplicate_of is None


_FIELDS = tuple(field.name for field in dataclasses.fields(Candidate))
_COLUMNS = ", ".join(_FIELDS)


class Store:
    """A run folder's database.

    Use `Store.create` for a new run, `Store.open` to go on with one or to read it.
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
          SearchError: for a folder that holds a run already or cannot be written.
        """
        run_dir = pathlib.Path(run_dir)
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            check_no_links(run_dir)
            lock = take_lock(run_dir)
        except OSError as error:
            raise SearchError(f"cannot write the run folder {run_dir}: {reason(error)}") from None
        path = run_dir / DATABASE
        if path.exists():
            raise SearchError(
                f"{run_dir} holds a search already: `resume` it, or choose another --run-dir"
            )
        part = run_dir / f"{DATABASE}.part"
        with as_search_error(path):
            for suffix in ("", "-wal", "-shm"):  # of a creation that was killed
                part.with_name(part.name + suffix).unlink(missing_ok=True)
            connection = sqlite3.connect(part)
            # Before others see it: no two may be connected where one changes the mode.
            connection.execute("PRAGMA journal_mode = WAL")
            for schema in (SCHEMA, KNOWN, REFUSALS):
                connection.executescript(schema)
            values = {"schema_version": SCHEMA_VERSION, "created": time.time(), **meta}
            rows = [(key, json.dumps(value)) for key, value in values.items()]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            connection.commit()
            connection.close()
            # A database appears under its name whole or not at all.
            os.replace(part, path)
            return cls(run_dir, connect(path), lock)

    @classmethod
    def open(cls, run_dir: str | os.PathLike, controller: bool = False) -> "Store":
        """Opens an existing run, as its one controller or as a reader.

        Raises:
          SearchError: for no run, another schema version, a damaged file, a link among the
            files, or a second controller.
        """
        run_dir = pathlib.Path(run_dir)
        path = run_dir / DATABASE
        if not path.is_file():
            raise SearchError(f"{run_dir} holds no search: there is no {DATABASE}")
        try:
            check_no_links(run_dir)
            lock = take_lock(run_dir) if controller else None
        except OSError as error:
            raise SearchError(f"cannot write the run folder {run_dir}: {reason(error)}") from None
        with as_search_error(path):
            connection = connect(path)
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
        """A decoded value of the table `meta`. Raises SearchError for one of a wrong type."""
        rows = self._query("SELECT value FROM meta WHERE key = ?", [key])
        with as_search_error(self._path):
            return stored.meta_value(key, rows[0][0]) if rows else default

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

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Makes one transaction of all changes inside; an error keeps those before it."""
        self._in_batch = True
        try:
            yield
        finally:
            self._in_batch = False
            with as_search_error(self._path):
                self._connection.commit()

    def learn(self, function: str, candidate_id: int) -> None:
        """Lets a candidate stand for a function, unless another one does already."""
        self._execute("INSERT OR IGNORE INTO known VALUES (?, ?)", [_hash(function), candidate_id])

    def known(self, function: str) -> int | None:
        """The candidate that stands for a function, if there is one."""
        rows = self._query("SELECT candidate FROM known WHERE function = ?", [_hash(function)])
        return rows[0][0] if rows else None

    def forget(self, function: str, candidate_id: int) -> None:
        """Lets the candidate stand for the function no longer, if it did."""
        values = [_hash(function), candidate_id]
        self._execute("DELETE FROM known WHERE function = ? AND candidate = ?", values)

    def upgrade(self, functions: Callable[[Candidate], Iterable[str]]) -> None:
        """Adds what a run of an earlier version lacks; `functions` names those of a row."""
        names = {name for (name,) in self._query("SELECT name FROM sqlite_master", [])}
        with self.batch():
            if "refusals" not in names:
                self._execute(REFUSALS, [])
            if "known" in names:
                return
            self._execute(KNOWN, [])
            for row in self.candidates("accepted", "rejected"):
                for function in functions(row) if row.origin != "baseline" else ():
                    self.learn(function, row.id)

    def refuse(self, candidate_id: int | None, host: str | None, reason: str) -> None:
        """Logs a worker's report that was not believed."""
        values = [time.time(), candidate_id, host, reason]
        self._execute("INSERT INTO refusals VALUES (?, ?, ?, ?)", values)

    def refusals(self) -> list[tuple[float, int | None, str | None, str]]:
        """All refused reports: time, candidate, host and reason."""
        if not self._query("SELECT 1 FROM sqlite_master WHERE name = 'refusals'", []):
            return []
        return self._query("SELECT time, candidate, host, reason FROM refusals", [])

    def members(self) -> Iterator[Candidate]:
        """The population's rows, the newest first, read one by one."""
        where = "WHERE fitness IS NOT NULL AND origin != 'baseline'"
        return self._rows(f"{where} ORDER BY id DESC", [])

    def count_members(self) -> int:
        """How many rows `members` has."""
        where = "WHERE fitness IS NOT NULL AND origin != 'baseline'"
        return self._query(f"SELECT COUNT(*) FROM candidates {where}", [])[0][0]

    def last_id(self) -> int:
        """The number of the youngest row; 0 without any."""
        return self._query("SELECT MAX(id) FROM candidates", [])[0][0] or 0

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
        return list(self._rows(clause, values))

    def _rows(self, clause: str, values: list[Any]) -> Iterator[Candidate]:
        statement = f"SELECT {_COLUMNS} FROM candidates {clause}"
        with as_search_error(self._path):
            for row in self._connection.execute(statement, values):
                yield _decode(row)

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
        # Schema changes open no transaction by themselves.
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN")

    def _check_version(self, path: pathlib.Path) -> None:
        row = self._connection.execute(
            "SELECT value FROM meta WHERE key = 'schema_version'"
        ).fetchone()
        if row is None or stored.meta_value("schema_version", row[0]) != SCHEMA_VERSION:
            found = "none" if row is None else row[0]
            raise SearchError(
                f"{path} has schema version {found}; this program reads version {SCHEMA_VERSION}"
            )


def _hash(function: str) -> bytes:
    return hashlib.blake2b(function.encode(), digest_size=_HASH_BYTES).digest()


def _encode(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if name in stored.JSON_COLUMNS and value is not None else value
        for name, value in values.items()
    }


def _decode(row: tuple) -> Candidate:
    return Candidate(**stored.row_values(dict(zip(_FIELDS, row, strict=True))))
