"""What the site's pages and the docstrings show must run, and say what it says."""

import doctest
import inspect
import pathlib
import re

import pytest

import evonorm_tf as en
import search  # chooses Keras 2 before TensorFlow is imported

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
WITH_EXAMPLES = [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")]
FLAGS = doctest.ELLIPSIS


@pytest.fixture(autouse=True)
def _registry_as_before(monkeypatch):
    """An example may register a layer or a primitive."""
    monkeypatch.setattr(en.ops, "_registered", dict(en.ops._registered))
    for kind in ("_layers", "_graphs"):
        monkeypatch.setattr(en.get.__self__, kind, dict(getattr(en.get.__self__, kind)))


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_of_a_page(page):
    result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS)
    assert result.attempted and not result.failed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_of_a_page_is_an_example(page):
    """Python that no test runs would be in a block of `python`, or is quoted from a file."""
    if page.name == "how-a-layer-computes.md":  # tests/test_readme.py compares its quotes
        return
    assert "```python" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("package", "name"),
    [(package, name) for package in (en, search) for name in package.__all__],
)
def test_examples_of_a_docstring(package, name):
    thing = getattr(package, name)
    module = inspect.getmodule(thing)
    for test in doctest.DocTestFinder().find(thing, name, globs=vars(module) | {"en": en}):
        result = doctest.DocTestRunner(optionflags=FLAGS).run(test)
        assert not result.failed, test.name


def test_the_reference_has_every_public_name():
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/api").glob("*.md"))
    assert set(re.findall(r"^::: evonorm_tf\.(\w+)$", pages, re.MULTILINE)) == set(en.__all__)
