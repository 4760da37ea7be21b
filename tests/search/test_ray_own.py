"""A user's own modules reach the workers of a cluster."""

import pytest

from search.config import preset
from tests.search import own_data

ray = pytest.importorskip("ray", reason="needs the group ray: make test-ray")
ray_cluster = pytest.importorskip(
    "search.workers.ray.cluster", reason="needs the group ray: make test-ray"
)


@pytest.mark.slow
def test_the_modules_of_a_network_and_an_objective_are_sent_to_the_workers(tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch)
    other = own_data.write_module(tmp_path, monkeypatch, "", "objective_module")
    monkeypatch.chdir("/")  # so that workers find the module only if it is sent to them
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    settings = [f"evaluation.data={name}:load", f"evaluation.anchors={name}:build"]
    settings += [f"evaluation.objective={other}:score"]

    def files_of_modules():
        from trainers import named_function

        functions = (f"{name}:build", f"{other}:score")
        return [str(named_function.source_file(function)) for function in functions]

    cluster = ray_cluster.RayCluster(preset("smoke").override(settings))
    try:
        found = ray.get(ray.remote(files_of_modules).remote(), timeout=120)
    finally:
        cluster.close()
    for module, file in zip((name, other), found, strict=True):
        assert file.endswith(f"{module}.py") and not file.startswith(str(tmp_path))
