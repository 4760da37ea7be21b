"""The SQLite file of a run: schema, connection, and the lock of its one controller."""

import fcntl
import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from search.errors import SearchError

DATABASE = "search.sqlite"
LOCK = "search.lock"
BEST = "best"

SCHEMA = """
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
# Runs of earlier versions get these two when a controller opens them.
KNOWN = """
CREATE TABLE known (      -- the equivalence cache: hash of a function -> its candidate
  function BLOB PRIMARY KEY,
  candidate INTEGER NOT NULL REFERENCES candidates (id)
) WITHOUT ROWID
"""
REFUSALS = """
CREATE TABLE refusals (   -- reports of workers that were not believed
  time REAL NOT NULL,
  candidate INTEGER,      -- whose evaluation it claimed to be, where it said so
  host TEXT,
  reason TEXT NOT NULL
)
"""
# A million genotypes need about a gigabyte of file; their indexes should stay in memory.
_CACHE_KIB = 65536
# Pages between two checkpoints: larger than SQLite's own 1000, since batches are large.
_CHECKPOINT_PAGES = 8000


def connect(path: pathlib.Path) -> sqlite3.Connection:
    """Opens an existing file; readers and one writer do not wait for each other."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


def check_no_links(run_dir: pathlib.Path) -> None:
    """Raises SearchError for a link in a run folder: to write there would write elsewhere."""
    for path in (*run_dir.iterdir(), *run_dir.glob(f"{BEST}/*")):
        if path.is_symlink():
            raise SearchError(f"{path} is a link; a run folder must hold its files itself")


def take_lock(run_dir: pathlib.Path) -> Any:
    """Locks the folder for this process. Raises SearchError when another one has it."""
    lock = (run_dir / LOCK).open("a", encoding="utf-8")
    try:
        # The kernel gives the lock back when its holder dies, however it dies.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SearchError(f"another search is running in {run_dir}") from None
    return lock


@contextmanager
def as_search_error(path: pathlib.Path) -> Iterator[None]:
    """Turns the errors of a file into the one that names it."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise SearchError(f"{path}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What an error says, without the path that the caller adds."""
    return getattr(error, "strerror", None) or str(error)
