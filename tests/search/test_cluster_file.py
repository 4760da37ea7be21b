"""The cluster file is one that `ray up` accepts, and agrees with what the project needs."""

import pathlib
import re

import pytest

autoscaler = pytest.importorskip(
    "ray.autoscaler._private.util", reason="needs the group ray: make test-ray"
)
yaml = pytest.importorskip("yaml", reason="needs the group ray: make test-ray")

ROOT = pathlib.Path(__file__).parents[2]
FILE = ROOT / "search" / "cluster.yaml"


@pytest.fixture
def cluster():
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_ray_accepts_it_and_not_one_with_an_unknown_field(cluster):
    filled = autoscaler.prepare_config(cluster)
    autoscaler.validate_config(filled)
    with pytest.raises(Exception, match="worker_count"):
        autoscaler.validate_config({**filled, "worker_count": 3})


def test_the_head_has_no_room_for_evaluations_and_a_worker_for_the_largest(cluster):
    from search.presets import preset

    kinds = cluster["available_node_types"]
    assert kinds[cluster["head_node_type"]]["resources"]["CPU"] == 0
    assert kinds["worker"]["resources"]["CPU"] >= preset("paper-b").ray.training_cpus
    assert kinds["worker"]["max_workers"] <= cluster["max_workers"]
    # 5000 workers of two cores.
    assert kinds["worker"]["resources"]["CPU"] * kinds["worker"]["max_workers"] >= 10_000


def test_its_image_has_the_pinned_ray(cluster):
    pins = (ROOT / "constraints" / "everyday.txt").read_text(encoding="utf-8")
    pinned = re.search(r"^ray==(\d+\.\d+)\.", pins, re.MULTILINE)[1]
    assert f"rayproject/ray:{pinned}." in cluster["docker"]["image"]
    assert "constraints/everyday.txt" in cluster["setup_commands"][0]
