"""The table of tested versions is what its command makes of the record, and complete."""

import json
import platform
import re
from importlib import metadata

import pytest

from docs.tools import versions

RECORD = json.loads(versions.RECORD.read_text(encoding="utf-8"))


def test_the_table_is_what_its_command_writes():
    assert versions.TABLE.read_text(encoding="utf-8") == versions.table(RECORD)


def test_the_record_has_every_environment_that_is_tested():
    assert list(RECORD["environments"]) == list(versions.targets())
    assert {"test-layers", "test-search"} <= {*versions.targets()[".venv"]}
    assert versions.targets()[".venv-next"] == ["test-next"]


@pytest.mark.parametrize("environment", RECORD["environments"])
def test_the_record_agrees_with_the_pins(environment):
    """A pin of a constraints file is the recorded version's beginning."""
    makefile = (versions.ROOT / "Makefile").read_text(encoding="utf-8")
    (file,) = re.findall(rf"^{environment}/ready:.* constraints/(\w+\.txt)", makefile, re.MULTILINE)
    pins = (versions.ROOT / "constraints" / file).read_text(encoding="utf-8")
    recorded = RECORD["environments"][environment]
    pinned = dict(
        re.findall(r"^(tensorflow|tf-models-official|numpy)==([\w.]+)", pins, re.MULTILINE)
    )
    columns = {"tensorflow": "TensorFlow", "numpy": "NumPy"}
    for package, version in pinned.items():
        assert recorded[columns.get(package, package)].startswith(version.rstrip(".*")), package


def test_an_environment_is_read_from_its_packages():
    """The everyday one, which these tests run in."""
    found = versions.installed(".venv")
    assert found["Python"] == platform.python_version()
    assert found["TensorFlow"] == metadata.version("tensorflow")
    assert found["Keras"] == f"2 (tf-keras {metadata.version('tf-keras')})"


@pytest.mark.parametrize(
    ("packages", "shown"),
    [
        ({"keras": "2.15.0", "tf-keras": "2.15.1"}, "2 (keras 2.15.0)"),
        ({"keras": "3.15.1", "tf-keras": "2.20.1"}, "2 (tf-keras 2.20.1)"),
        ({"keras": "3.15.1"}, "3 (keras 3.15.1)"),
        ({"keras-nightly": "3.16.0.dev1"}, "3 (keras-nightly 3.16.0.dev1)"),
    ],
)
def test_the_keras_behind_tf_keras(packages, shown):
    assert versions.keras(packages) == shown


def test_what_is_not_here_keeps_its_record(tmp_path, monkeypatch):
    (tmp_path / "Makefile").write_text("test-old: .venv-old/ready\ntest-gone: .venv-gone/ready\n")
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    old = {"environments": {".venv-old": {"Python": "3.9"}}, "tests": {"test-old": 7}}
    assert versions.record(old) == old
    (tmp_path / "build").mkdir()
    steps = [{"step": "test-old", "tests": 8}, {"step": "lint", "tests": 0}]
    (tmp_path / "build/ci-times.json").write_text(json.dumps({"steps": steps}))
    assert versions.record(old)["tests"] == {"test-old": 8}
    assert "`make test-old` (8)" in versions.table(versions.record(old))
