"""A user's own modules reach the workers of a cluster."""

import pytest

from search.api import given
from search.presets import preset
from tests.search import own_data

ray = pytest.importorskip("ray", reason="needs the group ray: make test-ray")
ray_cluster = pytest.importorskip(
    "search.workers.ray.cluster", reason="needs the group ray: make test-ray"
)

PRIMITIVES = """
import evonorm_tf as en

en.ops.register("HALF", function=lambda x: x / 2)
"""


@pytest.mark.slow
def test_all_modules_of_a_user_are_sent_to_the_workers(tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch)
    other = own_data.write_module(tmp_path, monkeypatch, "", "objective_module")
    own_data.write_module(tmp_path, monkeypatch, PRIMITIVES, "stranger_primitives")
    monkeypatch.chdir("/")  # so that workers find the modules only if they are sent to them
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")

    def of_a_cell():
        return 7

    cell = given.name_of(of_a_cell)
    settings = [f"evaluation.data={name}:load", f"evaluation.anchors={name}:build,{cell}"]
    settings += [f"evaluation.objective={other}:score", "space.modules=stranger_primitives"]
    config = preset("smoke").override(settings)

    def files_of_modules():
        from evonorm_tf.graph import ops
        from search import modules
        from trainers import named_function

        modules.import_all(config)
        assert named_function.call(cell) == 7
        names = (name, other, "stranger_primitives")
        return [str(named_function.source_file(each)) for each in names], ops.names()[-1]

    cluster = ray_cluster.RayCluster(config)
    try:
        files, last = ray.get(ray.remote(files_of_modules).remote(), timeout=120)
    finally:
        cluster.close()
    wanted = [f"{name}.py", f"{other}.py", "stranger_primitives.py"]
    assert [file.rpartition("/")[2] for file in files] == wanted
    assert not any(file.startswith(str(tmp_path)) for file in files)
    assert last == "HALF"
