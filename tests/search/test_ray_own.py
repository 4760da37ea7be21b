"""A user's own module reaches the workers of a cluster."""

import pytest

from search.api import given
from search.config import preset
from tests.search import own_data

ray = pytest.importorskip("ray", reason="needs the group ray: make test-ray")
ray_cluster = pytest.importorskip(
    "search.workers.ray.cluster", reason="needs the group ray: make test-ray"
)


@pytest.mark.slow
def test_the_module_of_a_network_is_sent_to_the_workers(tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch)
    monkeypatch.chdir("/")  # so that workers find the module only if it is sent to them
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")

    def of_a_cell():
        return 7

    cell = given.name_of(of_a_cell)
    settings = [f"evaluation.data={name}:load", f"evaluation.anchors={name}:build,{cell}"]

    def file_of_module():
        from trainers import named_function

        assert named_function.call(cell) == 7
        return str(named_function.source_file(f"{name}:build"))

    cluster = ray_cluster.RayCluster(preset("smoke").override(settings))
    try:
        found = ray.get(ray.remote(file_of_module).remote(), timeout=120)
    finally:
        cluster.close()
    assert found.endswith(f"{name}.py") and not found.startswith(str(tmp_path))
