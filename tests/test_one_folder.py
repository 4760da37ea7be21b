"""A new network, task, data set or layer touches one folder, and the file that lists its kind."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent
# Of each kind: what exists of it, its folder, and where else its name may stand. Experiments are
# combinations of everything, and lists are what makes a name known.
NETWORKS = "mnasnet", "mobilenet_v2", "efficientnet"
TASKS = "detection", "gan"
DATA_SETS = "inverted_digits", "tfds_source"
LAYERS = "EvoNormS2", "EvoNormB1", "FilterResponseNorm"


def files_with(package, pattern):
    found = set()
    for path in (ROOT / package).rglob("*.py"):
        if re.search(pattern, path.read_text(encoding="utf-8")):
            found.add(str(path.relative_to(ROOT / package)))
    assert found, pattern
    return found


def outside(package, pattern, folder, lists):
    names = files_with(package, pattern)
    return {name for name in names if not name.startswith(f"{folder}/")} - set(lists)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network(network):
    others = outside("trainers", rf"\b{network}\b", "models", ["backbones.py"])
    assert all(name.startswith("experiments/") for name in others), others


@pytest.mark.parametrize("task", TASKS)
def test_a_task(task):
    others = outside("trainers", rf"\btrainers\.{task}\b", task, ["tasks.py"])
    assert all(name.startswith("experiments/") for name in others), others


@pytest.mark.parametrize("data_set", DATA_SETS)
def test_a_data_set(data_set):
    assert not outside("trainers", rf"\b{data_set}\b", "data", [])


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer(layer):
    # The two faces list all public names.
    assert not outside("evonorm_tf", rf"\b{layer}\b", "layers", ["registry.py", "__init__.py"])
