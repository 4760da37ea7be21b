"""Functions of at most 40 lines and files of at most 400, as CONTRIBUTING.md says.

A function's docstring is not counted: it has the formula, the shapes and the errors, and is to be
as long as they need.
"""

import ast
import pathlib

import pytest

_ROOT = pathlib.Path(__file__).parent.parent
_PACKAGES = ("evonorm_tf", "trainers", "search", "tpu_scripts", "benchmarks")
_LONGEST_FUNCTION, _LONGEST_FILE = 40, 400

_FILES = [
    path
    for package in _PACKAGES
    for path in sorted((_ROOT / package).rglob("*.py"))
    if not path.name.endswith("_pb2.py")  # generated
]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= _LONGEST_FILE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    lengths = {node.name: _code_lines(node) for node in functions}
    assert {name: length for name, length in lengths.items() if length > _LONGEST_FUNCTION} == {}


def _code_lines(function):
    """The lines from `def` to the end, without the docstring's."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    docstring = first.end_lineno - first.lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_a_docstring_does_not_count():
    text = 'def f(x):\n    """One.\n\n    Two.\n    """\n    y = x\n    return y\n'
    assert _code_lines(ast.parse(text).body[0]) == 3
