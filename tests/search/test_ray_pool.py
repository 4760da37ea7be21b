"""Tasks on a local cluster of several nodes, with workers that misbehave in every way.

What a worker does is chosen by the layer's name; all else is the real pool and the real Ray.
"""

import json
import os
import signal
import time

import pytest

import tests.search.test_ray_pool as this_module
from search import presets
from search.errors import SearchError
from search.workers.messages import FATAL

ray = pytest.importorskip("ray", reason="needs the group ray: make test-ray")
cloudpickle = pytest.importorskip("ray.cloudpickle", reason="needs the group ray: make test-ray")
cluster_utils = pytest.importorskip(
    "ray.cluster_utils", reason="needs the group ray: make test-ray"
)
ray_pool = pytest.importorskip(
    "search.workers.ray.pool", reason="needs the group ray: make test-ray"
)

pytestmark = pytest.mark.slow  # a cluster takes a while to start
SETTINGS = ("executor=ray", "evaluation.anchors=resnet_small", "ray.workers=4")
LONGEST = 60.0


def misbehave(settings, images, threads, kind, arguments):
    """Stands in for `task.run_task`; does not wait for TensorFlow."""
    name, *rest = arguments[0].split("|")
    yield json.dumps({"host": ray.get_runtime_context().get_node_id()}).encode()
    if name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "stuck":
        time.sleep(1000)
    elif name == "silent":
        return
    elif name == "raises":
        raise ImportError("no module named tensorflow")
    elif name == "fatal":
        yield FATAL + b"no data"
    elif name == "object":
        yield {"kind": kind, "layer": name, "result": {}}
    elif name == "nan":
        yield b'{"kind": "quality", "layer": "nan", "result": NaN}'
    elif name == "waits" and not os.path.exists(rest[0]):
        with open(f"{rest[0]}.part", "w", encoding="utf-8") as file:
            file.write(ray.get_runtime_context().get_node_id())
        os.rename(file.name, rest[0])  # whoever waits for the file finds it whole
        time.sleep(1000)
    result = {
        "reason": "stability" if (name, kind) == ("unstable", "stability") else None,
        "scores": {"resnet_small": 0.5} if kind == "training" else None,
        "figures": {"seconds": 1.0, "threads": threads, "images": len(images.train)},
    }
    yield json.dumps({"kind": kind, "layer": arguments[0], "result": result}).encode()


@pytest.fixture(scope="module")
def cluster():
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture
def new_pool(cluster, monkeypatch):
    cloudpickle.register_pickle_by_value(this_module)
    monkeypatch.setattr("search.workers.ray.task.run_task", misbehave)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")

    def new(*settings):
        chosen = [*SETTINGS, f"ray.address={cluster.address}", *settings]
        return ray_pool.RayPool(presets.preset("demo").override(chosen))

    yield new
    cloudpickle.unregister_pickle_by_value(this_module)


def _answers(pool, count):
    answers, end = [], time.monotonic() + LONGEST
    while len(answers) < count and time.monotonic() < end:
        answers += pool.wait(timeout=1.0)
    assert len(answers) == count
    return {answer.tag: answer for answer in answers}


def test_workers_that_misbehave_are_told_apart(new_pool):
    layers = ["good", "unstable", "crash", "silent", "raises", "object", "nan", "good"]
    with new_pool("ray.training_cpus=2", "ray.workers=8") as pool:
        for number, layer in enumerate(layers, 1):
            assert pool.has_idle
            pool.submit((number, "evaluate"), "evaluate", layer, number != 8)
        assert not pool.has_idle
        found = _answers(pool, len(layers))
        assert not pool.is_busy
    answers = [found[number, "evaluate"] for number in range(1, 9)]
    kinds = ["ok", "ok", "died", "died", "refused", "refused", "refused", "ok"]
    assert [answer.kind for answer in answers] == kinds
    good, unstable, *_, unrejected = (answer.result for answer in answers)
    assert (good.status, good.fitness, good.seconds) == ("accepted", 0.5, 3.0)
    assert list(good.stages) == ["quality", "stability", "training"]
    assert [stage["threads"] for stage in good.stages.values()] == [1, 1, 2]
    assert good.stages["training"]["images"] > 1000
    assert (unstable.status, unstable.reason) == ("rejected", "stability")
    assert list(unstable.stages) == ["quality", "stability"]
    assert list(unrejected.stages) == ["quality", "training"]
    assert "no module named tensorflow" in answers[4].result
    assert "it is not JSON" in answers[5].result
    assert "not finite: NaN" in answers[6].result
    # One that crashes at once may not get to say where it is.
    assert all(answer.host for answer in answers if answer.kind != "died")


def test_a_stuck_stage_is_ended_and_its_slot_is_free_again(new_pool):
    with new_pool("ray.quality_minutes=0.01", "ray.workers=3") as pool:
        for number in range(1, 4):  # all the CPUs there are
            pool.submit((number, "evaluate"), "evaluate", "stuck", True)
        assert {answer.kind for answer in _answers(pool, 3).values()} == {"died"}
        pool.submit((4, "probe"), "training", "good", True)
        assert _answers(pool, 1)[4, "probe"].kind == "ok"


def test_a_worker_that_cannot_start_ends_the_run(new_pool):
    with new_pool() as pool, pytest.raises(SearchError, match="could not start: no data"):
        pool.submit((1, "evaluate"), "evaluate", "fatal", True)
        _answers(pool, 1)


def test_a_stage_that_is_lost_with_its_node_is_done_on_another(new_pool, cluster, tmp_path):
    # Only the new node has three CPUs, so that the task starts there.
    doomed = cluster.add_node(num_cpus=3)
    file = tmp_path / "node"
    with new_pool("ray.quality_cpus=3") as pool:
        pool.submit((1, "evaluate"), "evaluate", f"waits|{file}", True)
        end = time.monotonic() + LONGEST
        while not file.exists() and time.monotonic() < end:
            assert pool.wait(timeout=0.2) == []
        assert file.read_text() == doomed.node_id
        cluster.remove_node(doomed, allow_graceful=False)
        cluster.add_node(num_cpus=3)  # joins while the search runs
        answer = _answers(pool, 1)[1, "evaluate"]
        assert (answer.kind, answer.result.status) == ("ok", "accepted")
        pool._refresh()
        assert pool.cluster().lost == 1


def test_no_more_is_started_than_there_is_room_for(new_pool):
    with new_pool("ray.workers=none") as pool:
        started = 0
        while pool.has_idle:
            started += 1
            pool.submit((started, "evaluate"), "evaluate", "stuck", True)
        cpus = pool.cluster().cpus
        assert started == int(cpus * 1.05) + 1


def test_a_stage_larger_than_every_node_and_a_cluster_that_is_not_there(new_pool):
    with pytest.raises(SearchError, match=r"a stage needs 64: set ray\.\*_cpus"):
        new_pool("ray.training_cpus=64")
    with pytest.raises(SearchError, match="no Ray cluster at nowhere"):
        new_pool("ray.address=nowhere")
