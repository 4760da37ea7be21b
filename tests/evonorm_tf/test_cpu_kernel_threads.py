"""The threads of the C code, alone: every part runs once, whoever asks, also after a fork."""

import ctypes
import os
import shutil
import subprocess
import threading

import pytest

from evonorm_tf.cpu_kernel import library

COMPILER = shutil.which("cc")
PART = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_long)

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def parts_run(tmp_path_factory):
    """Returns the numbers of the parts that a job of `parts` on `threads` ran, sorted."""
    path = tmp_path_factory.mktemp("threads") / "threads.so"
    source = library.code().folder / "threads.c"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-pthread", source, "-o", path], check=True)
    run_parts = ctypes.CDLL(str(path)).run_parts
    run_parts.argtypes = [PART, ctypes.c_void_p, ctypes.c_long, ctypes.c_long]

    def run(parts, threads):
        done = []
        run_parts(PART(lambda _, part: done.append(part)), None, parts, threads)
        return sorted(done)

    return run


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("parts", [0, 1, 2, 50])
def test_every_part_runs_once(parts, threads, parts_run):
    assert parts_run(parts, threads) == [*range(parts)]


def test_several_jobs_at_once(parts_run):
    results = []

    def ask():
        results.extend(parts_run(17, 4) == [*range(17)] for _ in range(100))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(results) == 400 and all(results)


def test_after_a_fork(parts_run):
    """The child has none of the threads, and starts its own."""
    assert parts_run(50, 3) == [*range(50)]
    child = os.fork()
    if not child:
        os._exit(0 if parts_run(50, 3) == [*range(50)] else 1)
    assert os.waitpid(child, 0)[1] == 0
