"""The peak of a process's resident memory, measured in a process of its own."""

import pathlib
import subprocess
import sys
from collections.abc import Callable


def peak_during(run: Callable[[], object]) -> int:
    """How much higher resident memory gets while `run` runs for a second time, in bytes."""
    before = _memory("VmRSS")
    run()
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    run()
    return _memory("VmHWM") - before


def in_a_process(module: str, *arguments: object) -> float:
    """The number that `python -m module --peak-of ARGUMENTS` prints last."""
    command = [sys.executable, "-m", module, "--peak-of", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _memory(name: str) -> int:
    """A line of the process's status, in bytes."""
    text = pathlib.Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) * 1024
