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
EVONORM_TF_NEEDS = {"tensorflow", "keras", "numpy", "google", "wrapt", "evonorm_tf"}
# The layers of backends other than TensorFlow, and what they share with TensorFlow's.
PORTABLE, SHARED = "evonorm_tf/layers/portable", "evonorm_tf/layers/arguments"


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


@pytest.mark.parametrize("package", sorted(TOP_LEVEL))
def test_own_modules_that_are_imported_exist(package):
    """Nothing else would see it in a benchmark that no test imports."""
    for path in modules(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in TOP_LEVEL:
                place = ROOT / node.module.replace(".", "/")
                assert place.is_dir() or place.with_suffix(".py").is_file(), (
                    f"{path}: {node.module}"
                )


def test_evonorm_tf_needs_only_its_dependencies():
    for path in modules("evonorm_tf"):
        foreign = imported(path) - EVONORM_TF_NEEDS - set(sys.stdlib_module_names)
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_with_tensorflow_keras_is_used_through_tf_keras_alone():
    for path in {*modules("evonorm_tf")} - {*modules(PORTABLE)}:
        assert not imported(path) & {"keras", "tf_keras"}, path


@pytest.mark.parametrize("package", [PORTABLE, SHARED])
def test_portable_layers_import_no_module_of_tensorflow(package):
    allowed = tuple(room.replace("/", ".") for room in (PORTABLE, SHARED, "evonorm_tf/graph"))
    for path in modules(package):
        assert "tensorflow" not in imported(path), path
        own = {name for name in modules_imported(path) if name.count(".") > 1}
        assert all(name.startswith(allowed) for name in own), f"{path} imports {sorted(own)}"


def test_nothing_imports_tensorflow_models():
    """It drags in NLP packages and pkg_resources; `official` has all that is needed."""
    for package in ALLOWED:
        for path in modules(package):
            assert "tensorflow_models" not in imported(path), path


def assert_no_cycle(graph):
    done = set()
    while len(done) < len(graph):
        ready = {name for name, targets in graph.items() if targets <= done} - done
        assert ready, f"a cycle among {sorted(set(graph) - done)}"
        done |= ready


def module_graph(package, with_faces=False):
    """What each module of a package imports of it, inside functions too.

    A package's face, its `__init__.py`, imports all behind it.
    """
    graph = {}
    for path in modules(package):
        if path.name == "__init__.py" and not with_faces:
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                graph[name].update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                graph[name].update({node.module, *(f"{node.module}.{a.name}" for a in node.names)})
    return {
        name: {target for target in targets if target in graph} for name, targets in graph.items()
    }


@pytest.mark.parametrize("package", ["trainers", "search", "tpu_scripts", "benchmarks"])
def test_modules_of_a_package_form_no_cycle(package):
    assert_no_cycle(module_graph(package))


# A room of `search` imports only from those before it; a module outside of folders is a room.
SEARCH_ROOMS = [
    *("errors", "names", "score_format", "validation", "config", "presets", "settings"),
    *("field_comments", "config_file", "modules", "evolution", "evaluation", "storage"),
    *("workers", "progress", "controller", "sources", "imports", "final", "lifecycle", "report"),
    *("network_fit", "watch", "replay", "export", "api", "cli", "__main__", "examples"),
]


def test_rooms_of_the_search_import_only_upwards():
    def place(name):
        return SEARCH_ROOMS.index(name.split(".")[1])

    graph = module_graph("search", with_faces=True)
    del graph["search"]
    assert {name.split(".")[1] for name in graph} == set(SEARCH_ROOMS)
    for name, targets in graph.items():
        wrong = {target for target in targets - {"search"} if place(target) > place(name)}
        assert not wrong, f"{name} imports {sorted(wrong)}"


def test_the_core_of_the_search_is_pure():
    """Free of configuration and storage, and of everything but graphs and numbers."""
    for path in modules("search/evolution"):
        foreign = imported(path) - set(sys.stdlib_module_names) - {"numpy", "evonorm_tf", "search"}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"
    for name, targets in module_graph("search").items():
        if name.startswith("search.evolution."):
            outside = {one for one in targets if not one.startswith("search.evolution.")}
            assert not outside, f"{name} imports {sorted(outside)}"


# A room of `trainers` imports only from those before it; a module outside of folders is a room.
TASKS = ["classification", "detection", "gan"]
TRAINERS_ROOMS = [
    *("errors", "keras_choice", "platform", "named_function", "command", "checks", "models"),
    *("backbones", "engine", "data"),
    *(*TASKS, "tasks"),
    *("experiments", "studies", "study", "results", "train", "rerank", "evaluate"),
    *("export", "predict"),
]


def rooms_of_the_trainers():
    """What each room imports of the others."""
    graph = module_graph("trainers", with_faces=True)
    del graph["trainers"]
    rooms = {}
    for name, targets in graph.items():
        own = name.split(".")[1]
        others = {target.split(".")[1] for target in targets - {"trainers"}}
        rooms.setdefault(own, set()).update(others - {own})
    return rooms


def test_rooms_of_the_trainers_import_only_upwards():
    rooms = rooms_of_the_trainers()
    assert set(rooms) == set(TRAINERS_ROOMS)
    for room, others in rooms.items():
        wrong = others - set(TRAINERS_ROOMS[: TRAINERS_ROOMS.index(room)])
        assert not wrong, f"trainers.{room} imports {sorted(wrong)}"


def test_tasks_are_peers_and_the_engine_knows_none():
    rooms = rooms_of_the_trainers()
    for room in ("engine", "models", "data", *TASKS):
        assert not rooms[room] & (set(TASKS) - {room}), f"trainers.{room} imports a task"
    for path in modules("trainers/engine"):
        for task in (*TASKS, "maskrcnn"):
            assert f'"{task}' not in path.read_text(encoding="utf-8"), f"{path} names {task}"


# Rooms of evonorm_tf, each with the rooms that it imports; "" is the package itself.
ROOMS = {
    "graph": {""},
    "numerics": {"graph"},
    "fused": {"graph", "numerics"},
    "xla": {"fused"},
    "xla_cpu": {"fused", "numerics", "xla"},
    "xla_gpu": {"fused", "numerics", "xla"},
    "cpu_kernel": {"", "fused", "numerics", "xla"},
    "layers": {"", "graph", "numerics", "fused", "cpu_kernel", "xla_cpu", "xla_gpu"},
    "convert": {"", "layers"},
}


# Rooms with the passes for one kind of device; each can be deleted with its import.
PROGRAMS = ("cpu_kernel", "xla_cpu", "xla_gpu")


def modules_imported(path):
    """Full names of all modules of evonorm_tf that a file may import, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("evonorm_tf"):
            names.update({node.module, *(f"{node.module}.{a.name}" for a in node.names)})
    return names


def room(module):
    """The folder of a module of evonorm_tf, "" for the package's own modules."""
    _, *rooms = module.split(".")
    return rooms[0] if rooms and rooms[0] in ROOMS else ""


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_modules_within_evonorm_tf_form_no_cycle():
    graph = {}
    for path in modules("evonorm_tf"):
        # The faces of the package and its rooms import all behind them.
        if path.name != "__init__.py" or room(module_name(path)) in PROGRAMS:
            graph[module_name(path)] = modules_imported(path)
    graph = {
        name: {target for target in targets if target in graph and target != name}
        for name, targets in graph.items()
    }
    graph = {
        # A module of a room may be imported by the room's face, never import it.
        name: {t for t in targets if not name.startswith(f"{t}.")}
        for name, targets in graph.items()
    }
    assert_no_cycle(graph)


def test_every_folder_of_evonorm_tf_is_a_room():
    folders = {path.parent.name for path in (ROOT / "evonorm_tf").glob("*/__init__.py")}
    assert folders == set(ROOMS)


def test_rooms_are_imported_in_one_direction():
    for path in modules("evonorm_tf"):
        own = room(module_name(path))
        if not own:
            continue
        files = {module_name(other) for other in modules("evonorm_tf")} - {"evonorm_tf"}
        wrong = {room(name) for name in modules_imported(path) & files} - ROOMS[own] - {own}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"
    done = {""}
    while set(ROOMS) - done:
        ready = {name for name, needs in ROOMS.items() if needs <= done} - done
        assert ready, f"a cycle among {sorted(set(ROOMS) - done)}"
        done |= ready


@pytest.mark.parametrize("programs", PROGRAMS)
def test_one_module_imports_the_passes_of_a_device(programs):
    outside = [
        module_name(path)
        for package in ALLOWED
        for path in modules(package)
        if room(module_name(path)) != programs
        and any(room(name) == programs for name in modules_imported(path))
    ]
    assert outside == ["evonorm_tf.layers.fused_layer"]


def test_private_tensorflow_has_one_module_of_each_kind():
    private = {
        module_name(path)
        for path in modules("evonorm_tf")
        if "tensorflow.python" in (text := path.read_text(encoding="utf-8"))
        or "tensorflow.compiler" in text
    }
    assert private == {"evonorm_tf.numerics.forward_mode", "evonorm_tf.xla.internals"}


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
