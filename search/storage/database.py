"""The SQLite file of a run: schema, connection, and the lock of its one controller."""

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
from search.storage import values

DATABASE = "search.sqlite"
LOCK = "search.lock"
BEST = "best"

SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE candidates (
  id INTEGER PRIMARY KEY,   -- order of birth
  origin TEXT NOT NULL CHECK (origin IN ('random', 'mutation', 'import', 'baseline')),
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
# A controller adds these two tables to runs of earlier versions.
KNOWN = """
CREATE TABLE known (      -- the equivalence cache: hash of a function -> its candidate
  function BLOB PRIMARY KEY,
  candidate INTEGER NOT NULL REFERENCES candidates (id)
) WITHOUT ROWID
"""
REFUSALS = """
CREATE TABLE refusals (   -- reports of workers that failed their checks
  time REAL NOT NULL,
  candidate INTEGER,      -- the one that it reported on, if it named one
  host TEXT,
  reason TEXT NOT NULL
)
"""
# The file of a million genotypes is about a gigabyte; its indexes fit into this cache.
_CACHE_KIB = 65536
# Pages between two checkpoints: more than SQLite's own 1000, since batches are large.
_CHECKPOINT_PAGES = 8000


def make(path: pathlib.Path, meta: Mapping[str, Any]) -> None:
    """Creates an empty database with these entries of `meta`; a failure leaves no partial one."""
    part = path.with_name(f"{path.name}.part")
    for suffix in ("", "-wal", "-shm"):  # left by a creation that was killed
        part.with_name(part.name + suffix).unlink(missing_ok=True)
    connection = sqlite3.connect(part)
    # The mode is set before others can connect: a second connection would prevent the change.
    connection.execute("PRAGMA journal_mode = WAL")
    for schema in (SCHEMA, KNOWN, REFUSALS):
        connection.executescript(schema)
    entries = {"schema_version": SCHEMA_VERSION, "created": time.time(), **meta}
    rows = [(key, json.dumps(value)) for key, value in entries.items()]
    connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    os.replace(part, path)


def connect(path: pathlib.Path) -> sqlite3.Connection:
    """Opens an existing file; readers and one writer do not wait for each other."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


def check(connection: sqlite3.Connection, path: pathlib.Path, whole: bool) -> None:
    """Checks the schema version and, with `whole`, every page.

    Raises:
      SearchError: for another version.
      sqlite3.DatabaseError: for damaged pages.
    """
    query = "SELECT value FROM meta WHERE key = 'schema_version'"
    row = connection.execute(query).fetchone()
    if row is None or values.meta_value("schema_version", row[0]) != SCHEMA_VERSION:
        found = "none" if row is None else row[0]
        raise SearchError(
            f"{path} has schema version {found}; this program reads version {SCHEMA_VERSION}"
        )
    if whole and connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("its pages are damaged")


def check_no_links(run_dir: pathlib.Path) -> None:
    """Raises SearchError for a link in a run folder, since writes to it would go elsewhere."""
    for path in (*run_dir.iterdir(), *run_dir.glob(f"{BEST}/*")):
        if path.is_symlink():
            raise SearchError(f"{path} is a link; a run folder must hold its files itself")


def take_lock(run_dir: pathlib.Path) -> Any:
    """Locks the folder for this process. Raises SearchError when another process holds the lock."""
    lock = (run_dir / LOCK).open("a", encoding="utf-8")
    try:
        # The kernel releases the lock when its holder dies, for whatever reason.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SearchError(f"another search is running in {run_dir}") from None
    return lock


@contextmanager
def as_search_error(path: pathlib.Path) -> Iterator[None]:
    """Raises the errors of a file as a SearchError that names it."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise SearchError(f"{path}: {error_text(error)}") from error


def error_text(error: Exception) -> str:
    """The text of an error, without the path that the caller adds."""
    return getattr(error, "strerror", None) or str(error)
