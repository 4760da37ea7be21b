"""The trainers' way to a TPU, up to the point where one is contacted."""

import os
import pathlib
import socket
import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from trainers.engine import distribution
from trainers.engine.config import RuntimeConfig
from trainers.errors import TrainersError

ROOT = pathlib.Path(__file__).parents[2]
# Connects as the trainers do, in a process of its own: a cluster belongs to the whole process.
CONNECT = """
import sys
from trainers.engine.config import RuntimeConfig
from trainers.engine import distribution
from trainers.errors import TrainersError
try:
    distribution.build_strategy(RuntimeConfig(
        distribution_strategy="tpu", tpu=sys.argv[1] or None, tpu_timeout=float(sys.argv[2])))
except TrainersError as error:
    sys.exit(f"TrainersError: {error}")
"""
SERVER = """
import sys
import tensorflow as tf
server = tf.distribute.Server({"worker": [sys.argv[1]]}, job_name="worker", task_index=0)
print("ready", flush=True)
sys.stdin.read()
"""


class Recorder:
    """Stands where TensorFlow begins to talk to a TPU, and notes what it is asked."""

    def __init__(self, monkeypatch):
        self.calls = []
        resolvers = tf.distribute.cluster_resolver
        monkeypatch.setattr(resolvers, "TPUClusterResolver", self._note("resolver", "resolver"))
        monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", self._note("connect"))
        monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", self._note("initialize"))
        monkeypatch.setattr(tf.distribute, "TPUStrategy", self._note("strategy", "a strategy"))

    def _note(self, name, answer=None):
        def call(*args, **kwargs):
            self.calls.append((name, kwargs or args))
            return answer

        return call


@pytest.mark.parametrize(
    ("runtime", "variable", "address", "connects"),
    [
        ({"tpu": "my-tpu", "tpu_zone": "z", "tpu_project": "p"}, None, "my-tpu", True),
        ({"tpu": "grpc://10.0.0.2:8470"}, None, "grpc://10.0.0.2:8470", True),
        ({"tpu": "local"}, "my-pod", "local", False),
        ({"distribution_strategy": "tpu"}, None, "local", False),
        ({"distribution_strategy": "tpu"}, "local", "local", False),
        ({"distribution_strategy": "tpu"}, "my-pod", "my-pod", True),
    ],
)
def test_order_of_the_calls(monkeypatch, runtime, variable, address, connects):
    """A pod's coordinator, worker 0, connects to all workers by the TPU's name."""
    monkeypatch.delenv("TPU_NAME", raising=False)
    if variable:
        monkeypatch.setenv("TPU_NAME", variable)
    recorder = Recorder(monkeypatch)
    assert distribution.build_strategy(RuntimeConfig(**runtime)) == "a strategy"
    place = {"zone": runtime.get("tpu_zone"), "project": runtime.get("tpu_project")}
    expected = [("resolver", {"tpu": address, **place}), ("connect", ("resolver",))]
    expected += [("initialize", ("resolver",)), ("strategy", ("resolver",))]
    assert recorder.calls == [call for call in expected if connects or call[0] != "connect"]


def test_a_tpu_that_never_answers(monkeypatch):
    Recorder(monkeypatch)
    waiting = threading.Event()
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda _: waiting.wait())
    runtime = RuntimeConfig(tpu="my-tpu", tpu_timeout=0.2)
    with pytest.raises(TrainersError, match=r"`runtime.tpu_timeout`=0.2 s.*tpu='my-tpu'"):
        distribution.build_strategy(runtime)
    waiting.set()


def connect(address, limit, **environment):
    """Exit status and last line of a process that connects."""
    done = subprocess.run(
        [sys.executable, "-c", CONNECT, address, str(limit)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stderr.strip().splitlines()[-1]


@pytest.mark.nightly
def test_a_machine_without_tpu():
    code, said = connect("local", 100)
    assert code == 1 and said.startswith("TrainersError: no TPU can be used: TPUs not found")


@pytest.mark.nightly
def test_pjrt_without_its_library(tmp_path):
    """TensorFlow itself stops when it is imported, and names the file."""
    library = str(tmp_path / "libtpu.so")
    variables = {"NEXT_PLUGGABLE_DEVICE_USE_C_API": "true"}
    code, said = connect("", 100, TF_PLUGGABLE_DEVICE_LIBRARY_PATH=library, **variables)
    assert code == 1 and "does not exist" in said and library in said


@pytest.mark.nightly
def test_a_worker_that_never_answers_ends_the_process():
    """A socket that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, said = connect(f"grpc://127.0.0.1:{silent.getsockname()[1]}", 3)
    assert code == 1 and "no TPU answered within `runtime.tpu_timeout`=3 s" in said


@pytest.mark.slow
def test_a_worker_of_the_pod_is_reached():
    """A TensorFlow server without TPUs answers as a pod's worker would; no TPU is behind it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-c", SERVER, address]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout.readline() == "ready\n"
        code, said = connect("", 200, TPU_NAME=f"grpc://{address}", TPU_LOAD_LIBRARY="0")
        server.communicate("")
    assert code == 1 and "no TPU can be used: TPUs not found in the cluster" in said


@pytest.mark.slow
def test_a_name_is_looked_up_with_the_tpu_api(cloud):
    """TPUClusterResolver asks the API of the cloud at TPU_API_DISCOVERY_URL."""
    code, said = connect("my-tpu", 100)
    assert code == 1 and said.startswith("TrainersError: no TPU can be used:")
    assert "tpu='my-tpu'" in said
