"""Whole searches on a cluster of several nodes: the local result, whatever is killed meanwhile."""

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from search.storage.store import Store

ray = pytest.importorskip("ray", reason="needs the group ray: make test-ray")
cluster_utils = pytest.importorskip(
    "ray.cluster_utils", reason="needs the group ray: make test-ray"
)
psutil = pytest.importorskip("psutil", reason="needs the group ray: make test-ray")

# Without the free rejections, so that nearly every candidate is some seconds on a worker.
SETTINGS = ["--preset", "smoke", "--seed", "3", "--set", "method.max_candidates=16"]
SETTINGS += ["--set", "evaluation.free_rejections=false"]
LONGEST = 240.0


@pytest.fixture
def cluster():
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def _start(run_dir, *arguments):
    command = [sys.executable, "-m", "search", *arguments, "--run-dir", str(run_dir), "--no-final"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finish(process):
    out, _ = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, out


def _rows(run_dir):
    if not (run_dir / "search.sqlite").exists():
        return []
    with Store.open(run_dir) as store:
        return store.candidates()


def _story(run_dir):
    changing = {"created": 0.0, "finished": None, "seconds": None, "stages": None, "host": None}
    return [dataclasses.replace(row, **changing) for row in _rows(run_dir)]


def _finished(run_dir):
    return sum(row.finished is not None for row in _rows(run_dir))


def _wait_for_progress(run_dir, process):
    """Until one more candidate is finished than before."""
    before, end = _finished(run_dir), time.monotonic() + LONGEST
    while process.poll() is None and _finished(run_dir) == before:
        assert time.monotonic() < end
        time.sleep(0.1)


def _kill_worker():
    """Kills a process that runs a task of the search."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        for process in psutil.process_iter(["cmdline"]):
            if (process.info["cmdline"] or [""])[0].startswith("ray::run_task"):
                process.kill()
                return
        time.sleep(0.05)
    raise AssertionError("no worker of the search was seen")


@pytest.mark.slow
def test_killing_workers_nodes_and_the_controller_changes_nothing(cluster, tmp_path):
    local, run_dir = tmp_path / "local", tmp_path / "ray"
    _finish(_start(local, "run", *SETTINGS, "--workers", "1"))
    expected = _story(local)
    assert sum(bool(row.scores or row.reason == "quality") for row in expected) > 4
    moments, address = random.Random(5), ["--ray-address", cluster.address]
    process = _start(run_dir, "run", *SETTINGS, *address, "--workers", "1")
    _wait_for_progress(run_dir, process)
    time.sleep(moments.uniform(0, 1))
    _kill_worker()
    _wait_for_progress(run_dir, process)
    time.sleep(moments.uniform(0, 1))
    cluster.remove_node(moments.choice(sorted(cluster.worker_nodes, key=str)), allow_graceful=False)
    cluster.add_node(num_cpus=1)
    _wait_for_progress(run_dir, process)
    time.sleep(moments.uniform(0, 1))
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert _finished(run_dir) < len(expected)
    process = _start(run_dir, "resume", *address)
    _finish(process)
    assert _story(run_dir) == expected
    assert len({row.host for row in _rows(run_dir) if row.stages}) > 1


def _metrics(nodes):
    """What the nodes export to Prometheus."""
    text = ""
    for node in nodes:
        with contextlib.suppress(OSError):
            address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
            text += urllib.request.urlopen(address, timeout=5).read().decode()
    return text


@pytest.mark.nightly
def test_ray_exports_the_figures_to_prometheus(cluster, tmp_path):
    ray.init(address=cluster.address)
    nodes = ray.nodes()
    ray.shutdown()
    address = ["--ray-address", cluster.address]
    process = _start(tmp_path / "run", "run", *SETTINGS, *address)
    found, end = "", time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < end:
        found = _metrics(nodes)
        if 'status="rejected"' in found:
            break
        time.sleep(1.0)
    process.kill()
    process.communicate(timeout=60)
    assert 'status="rejected"' in found
    for name in ("tasks", "nodes", "stragglers", "refused_reports", "best_fitness"):
        assert f"ray_evonorm_search_{name}" in found
