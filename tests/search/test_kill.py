"""kill -9 of controller and worker at random moments, with real trainings."""

import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from search.storage.database import DATABASE
from search.storage.store import Store
from tests.tiers import tiered

LONGEST_DELAY = 2.0
LONGEST_WAIT = 120.0
SETTINGS = ["--preset", "smoke", "--workers", "1", "--seed", "3"]


def _start(*arguments):
    command = [sys.executable, "-m", "search", *arguments, "--no-final"]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _worker(process):
    """The id of the process's worker, once there is one; None when the process has ended."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + LONGEST_WAIT
    while process.poll() is None and time.monotonic() < deadline:
        for child in path.read_text().split() if path.exists() else []:
            try:
                line = pathlib.Path(f"/proc/{child}/cmdline").read_text()
            except FileNotFoundError:
                continue
            if "spawn_main" in line:
                return int(child)
        time.sleep(0.05)
    return None


def _wait_for_progress(run_dir, process):
    """Until the run has finished one more candidate than it had; the machine may be slow."""
    before = _finished(run_dir)
    deadline = time.monotonic() + LONGEST_WAIT
    while process.poll() is None and time.monotonic() < deadline and _finished(run_dir) == before:
        time.sleep(0.05)


def _finished(run_dir):
    with Store.open(run_dir) as store:
        return sum(row.finished is not None for row in store.candidates())


def _finish(process):
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out


def _story(run_dir):
    changing = {"created": 0.0, "finished": None, "seconds": None, "stages": None}
    with Store.open(run_dir) as store:
        return [dataclasses.replace(row, **changing) for row in store.candidates()]


def _assert_intact(run_dir):
    connection = sqlite3.connect(run_dir / DATABASE)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize(("sessions", "candidates"), tiered([(2, 20), (10, 40)], slow=[(2, 20)]))
def test_kill_9_at_random_moments_changes_nothing(tmp_path, sessions, candidates):
    """Two kills a session: one of the worker, one of the controller."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    settings = [*SETTINGS, "--set", f"method.max_candidates={candidates}"]
    _finish(_start("run", "--run-dir", whole, *settings))
    expected = _story(whole)
    assert sum(row.status == "accepted" for row in expected) > 1
    moments = random.Random(11)
    kills = 0
    process = _start("run", "--run-dir", broken, *settings)
    for session in range(sessions):
        worker = _worker(process)
        if worker is None:
            break
        if session % 2:  # else the worker is killed while it starts
            _wait_for_progress(broken, process)
        for victim in (worker, process.pid):
            time.sleep(moments.uniform(0, LONGEST_DELAY))
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    kills += 1
        process.communicate(timeout=60)
        _assert_intact(broken)
        process = _start("resume", "--run-dir", broken)
    _finish(process)
    assert kills >= 2 * sessions - 2
    _assert_intact(broken)
    assert _story(broken) == expected
