"""A release needs a tag, a version and a changelog that agree; addresses agree in all files."""

import importlib.util
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
FILES = {
    "evonorm_tf/version.py": 'VERSION = "1.2.3"\n',
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 1.2.3 - 2030-01-01\n\n* It works.\n",
    "CITATION.cff": "cff-version: 1.2.0\nversion: 1.2.3\n",
}
spec = importlib.util.spec_from_file_location("check_release", ROOT / ".ci/check_release.py")
check_release = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_release)


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_what_agrees_can_be_released(root):
    assert check_release.problems("v1.2.3", root) == []


@pytest.mark.parametrize("name", FILES)
def test_each_place_that_says_another_version_is_told(root, name):
    (root / name).write_text(FILES[name].replace("1.2.3", "1.2.2"), encoding="utf-8")
    (problem,) = check_release.problems("v1.2.3", root)
    assert "1.2.2" in problem and "v1.2.3" in problem


def test_a_changelog_with_unreleased_entries_is_told(root):
    text = FILES["CHANGELOG.md"].replace("Unreleased\n", "Unreleased\n\n* More.\n")
    (root / "CHANGELOG.md").write_text(text, encoding="utf-8")
    (problem,) = check_release.problems("v1.2.3", root)
    assert "Unreleased" in problem


def test_a_tag_without_v_is_told(root):
    assert len(check_release.problems("1.2.3", root)) == 3


def test_every_address_of_the_project_is_the_same():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    text = "".join(
        (ROOT / name).read_text(encoding="utf-8")
        for name in listed.stdout.split()
        if name.endswith((".md", ".toml", ".yml", ".cff", ".ipynb")) and (ROOT / name).exists()
    )
    owners = set(re.findall(r"github(?:usercontent)?\.com/([\w-]+)/evonorm-tf\b", text))
    owners |= set(re.findall(r"([\w-]+)\.github\.io/evonorm-tf", text))
    assert owners == {"evonorm-tf"}
