"""Three processes, one for each backend, and what they have computed."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.backends.cases import BACKENDS

ROOT = pathlib.Path(__file__).parents[2]


class Workers:
    """A process for each backend, which runs commands."""

    def __init__(self, folder):
        self.folder = folder
        self._processes = {backend: self._started(backend) for backend in BACKENDS}

    def _started(self, backend):
        settings = {
            "KERAS_BACKEND": backend,
            "TF_USE_LEGACY_KERAS": "0",
            # JAX has float64, and several devices on a CPU, only on demand.
            "JAX_ENABLE_X64": "1",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        }
        with open(self.folder / f"{backend}.log", "w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.backends.worker"],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def run(self, module, function, backends=BACKENDS):
        """Runs a function of a module on several backends at once."""
        for backend in backends:
            process = self._processes[backend]
            process.stdin.write(f"{module} {function} {self.folder}\n")
            process.stdin.flush()
        for backend in backends:
            answer = self._processes[backend].stdout.readline()
            log = (self.folder / f"{backend}.log").read_text()
            assert answer == "done\n", f"{backend} at {module}.{function}: {log[-3000:]}"

    def stop(self):
        """Ends the processes."""
        for process in self._processes.values():
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()


@pytest.fixture(scope="session")
def workers(tmp_path_factory):
    for package in ("jax", "torch"):
        pytest.importorskip(package, reason=f"needs {package}: make test-backends")
    running = Workers(tmp_path_factory.mktemp("backends"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def folder(workers):
    """The folder with the results and files of all cases."""
    workers.run("layers", "compute")
    return workers.folder


@pytest.fixture(scope="session")
def results(folder):
    """(case, backend) -> the results of a case by name."""
    return lambda chosen, backend: _read(folder / f"{chosen.label()}.{backend}.npz")


@pytest.fixture(scope="session")
def loaded_results(folder, workers):
    """(case, saved on, loaded on) -> the results with the loaded model."""
    workers.run("layers", "load")

    def read(chosen, saved, loaded):
        return _read(folder / f"{chosen.label()}.{saved}-{loaded}.npz")

    return read


def _read(path):
    with np.load(path) as file:
        return dict(file)
