"""Local workers that do not answer."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from search import presets
from search.workers.local import LocalPool
from tests.search.synthetic_run import graph_json

SETTINGS = presets.preset("smoke")


def answer(pool):
    answers, end = [], time.monotonic() + 60.0
    while not answers and time.monotonic() < end:
        answers = pool.wait(timeout=1.0)
    assert len(answers) == 1
    return answers[0]


@pytest.mark.parametrize("stops", [False, True])
def test_a_stuck_worker_is_replaced(stops):
    """One that is too slow, and one that has been stopped and does not end when it is asked."""
    settings = SETTINGS.override(["task_minutes=0.02"])
    with LocalPool(settings) as pool:
        process = pool._workers[0].process
        if stops:
            os.kill(process.pid, signal.SIGSTOP)
        pool.submit("tag", "probe", graph_json())  # it imports TensorFlow first, which is long
        found = answer(pool)
        assert (found.tag, found.kind, found.result) == ("tag", "died", "it took too long")
        assert not process.is_alive()
        assert pool.has_idle and not pool.is_busy
        assert pool._workers[0].process.is_alive()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_worker_does_not_write_into_the_display(is_terminal):
    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    code = "import os; from search.workers.process import leave_the_terminal as leave\n"
    code += "leave(); os.write(2, b'I0')"
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
    os.write(theirs, b"end")
    assert os.read(ours, 100).endswith(b"end" if is_terminal else b"I0end")
    os.close(ours)
    os.close(theirs)
