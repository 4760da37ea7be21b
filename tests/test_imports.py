"""The import arrows of the design: evonorm_tf <- trainers <- search, tpu_scripts."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
ALLOWED = {
    "evonorm_tf": set(),
    "trainers": {"evonorm_tf"},
    "search": {"evonorm_tf", "trainers"},
    "tpu_scripts": {"evonorm_tf", "trainers"},
}
TOP_LEVEL = {*ALLOWED, "tests", "benchmarks"}
# Of what evonorm_tf imports, all but the standard library.
EVONORM_TF_NEEDS = {"tensorflow", "numpy", "google", "wrapt", "evonorm_tf"}


def modules(package):
    return sorted(path for path in (ROOT / package).rglob("*.py"))


def imported(path):
    """Top-level names of all absolute imports in a file, those inside functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_go_only_upwards(package):
    files = modules(package)
    assert files
    for path in files:
        wrong = (imported(path) & TOP_LEVEL) - ALLOWED[package] - {package}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_evonorm_tf_needs_only_its_dependencies():
    for path in modules("evonorm_tf"):
        foreign = imported(path) - EVONORM_TF_NEEDS - set(sys.stdlib_module_names)
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_keras_is_used_through_tf_keras_alone():
    for path in modules("evonorm_tf"):
        assert not imported(path) & {"keras", "tf_keras"}, path


def test_nothing_imports_tensorflow_models():
    """It drags in NLP packages and pkg_resources; `official` has all that is needed."""
    for package in ALLOWED:
        for path in modules(package):
            assert "tensorflow_models" not in imported(path), path


def test_modules_within_evonorm_tf_form_no_cycle():
    graph = {}
    for path in modules("evonorm_tf"):
        if path.name == "__init__.py":  # a package's face, which imports all behind it
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("evonorm_tf"):
                graph[name].update({node.module, *(f"{node.module}.{a.name}" for a in node.names)})
    graph = {
        name: {target for target in targets if target in graph} for name, targets in graph.items()
    }
    done = set()
    while len(done) < len(graph):
        ready = {name for name, targets in graph.items() if targets <= done} - done
        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready


def test_public_names_are_importable_and_documented():
    code = (
        "import evonorm_tf as en\n"
        "for name in en.__all__:\n"
        "    assert getattr(en, name).__doc__, name\n"
        "assert 'tensorflow_addons' not in __import__('sys').modules\n"
        "print(len(en.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 20
