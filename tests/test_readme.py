"""What the README and the docstrings show must run."""

import doctest
import importlib
import pathlib
import re

import pytest

import evonorm_tf.graph.layer_graph

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_examples_run_in_order(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert "1 fused, 0 linear" in capsys.readouterr().out
    model = names["model"]
    assert model(names["tf"].zeros((2, 8, 8, 3))).shape == (2, 10)
    assert [place.action for place in names["report"].places] == ["fused"]
    assert names["new_model"](names["tf"].zeros((2, 32, 32, 3))).shape == (2, 10)


def test_doctest_of_layer_graph():
    result = doctest.testmod(evonorm_tf.graph.layer_graph)
    assert result.attempted and not result.failed


@pytest.mark.parametrize(
    "module",
    ["batch_norm", "evonorm_b", "evonorm_s", "graph_layer", "primitive_layer", "sample_norm"],
)
def test_doctests_of_the_layers(module):
    result = doctest.testmod(importlib.import_module(f"evonorm_tf.layers.{module}"))
    assert result.attempted and not result.failed


def test_the_walk_through_a_layer_quotes_its_files():
    text = (ROOT / "docs/how-a-layer-computes.md").read_text(encoding="utf-8")
    link = r"\]\(https://github.com/evonorm-tf/evonorm-tf/blob/main/(.*?)\)"
    paths = re.findall(link, text)
    assert 1 <= len(set(paths)) <= 5
    quoted = 0
    sections = re.split(link, text)[2::2]
    for path, section in zip(paths, sections, strict=True):
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL):
            quoted += 1
            position = 0
            for line in block.splitlines():
                assert line in lines[position:], f"{path} has no more: {line}"
                position = lines.index(line, position) + 1
    assert quoted >= 8


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z0-9-]+)", README))))
def test_make_targets_exist(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("document", ["docs/paper.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_named_files_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    paths = set(re.findall(r"[`(]((?:evonorm_tf|trainers|search|tests|docs)/[\w./*]+)[`)]", text))
    assert paths
    for path in paths:
        assert list(ROOT.glob(path.rstrip("/"))), path


def test_links_of_the_readme_are_absolute():
    """It is also the page of the package index, where no other file is."""
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    for target in targets:
        assert target.startswith("https://"), target


def test_linked_pages_exist():
    site, repository = (
        "https://evonorm-tf.github.io/evonorm-tf/",
        r"https://(?:raw.githubusercontent|github).com/evonorm-tf/evonorm-tf/(?:blob/)?main/",
    )
    for page in re.findall(rf"{re.escape(site)}([\w/]+)/\)", README):
        found = [ROOT / "docs" / f"{page}{ending}" for ending in (".md", "/index.md", ".ipynb")]
        assert any(path.exists() for path in found), page
    for path in re.findall(rf"{repository}([\w./]+)", README):
        assert (ROOT / path).exists(), path
