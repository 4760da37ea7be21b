"""Commands in a process that cannot import TensorFlow, nor what needs it.

Run as a program it reads commands from its input and writes what became of them. All are run
in forks of one process, since starting Python takes longer than most of them.
"""

import contextlib
import importlib
import importlib.abc
import io
import json
import os
import pathlib
import runpy
import subprocess
import sys
import traceback
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
BLOCKED = ("tensorflow", "official", "keras", "jax")


class Answer(NamedTuple):
    """Exit status and output, errors included."""

    status: int
    text: str


def answers(commands: list[list[str]]) -> list[Answer]:
    """What becomes of commands, each a module with its arguments."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.without_tensorflow"],
        cwd=ROOT,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [Answer(*answer) for answer in json.loads(done.stdout)]


class _Blocking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")


def _answer(command: list[str]) -> Answer:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            status = _run(command)
        with os.fdopen(writing, "w") as file:
            file.write(text.getvalue())
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    return Answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text)


def _run(command: list[str]) -> int:
    """The exit status, found as Python does."""
    sys.argv = command
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    importlib.import_module("trainers")  # which asks whether tf-models-official is installed
    sys.meta_path.insert(0, _Blocking())
    for module in (
        "numpy",
        "trainers.checks",
        "trainers.models.names",
        "trainers.experiments.arguments",
    ):
        importlib.import_module(module)  # here once, not in each fork
    print(json.dumps([_answer(command) for command in json.load(sys.stdin)]))
