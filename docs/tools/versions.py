"""Writes the table of tested versions: what each environment of the Makefile holds and tests.

    make versions

The environments that are set up are read into docs/versions/record.json, where those that are not
keep what stood there; docs/versions/table.md is made of the record. Numbers of tests are those of
the last run of .ci/run, from build/ci-times.json.
"""

import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs/versions"
RECORD, TABLE = FOLDER / "record.json", FOLDER / "table.md"
_PACKAGES = {
    "TensorFlow": "tensorflow",
    "tf-models-official": "tf-models-official",
    "JAX": "jax",
    "PyTorch": "torch",
    "NumPy": "numpy",
}
_COLUMNS = ("Python", "TensorFlow", "Keras")
_ASK = """
import importlib.metadata, json, platform
versions = {each.name: each.version for each in importlib.metadata.distributions()}
print(json.dumps({**versions, "python": platform.python_version()}))
"""


def targets() -> dict[str, list[str]]:
    """The Makefile's targets that test, by environment."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for target, environment in re.findall(
        r"^(test\S*): (\.venv\S*)/ready$", makefile, re.MULTILINE
    ):
        found.setdefault(environment, []).append(target)
    return found


def installed(environment: str) -> dict[str, str] | None:
    """The columns of an environment; None for one that is not set up."""
    python = ROOT / environment / "bin/python"
    if not python.exists():
        return None
    answer = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True)
    versions = {
        name.replace("_", "-"): version for name, version in json.loads(answer.stdout).items()
    }
    others = {column: versions.get(name, "") for column, name in _PACKAGES.items()}
    return {"Python": versions["python"], "Keras": keras(versions), **others}


def keras(versions: dict[str, str]) -> str:
    """The Keras that the tests have behind `tf.keras`, generation first."""
    is_keras_2 = versions.get("keras", "").startswith("2.")
    names = ("keras",) if is_keras_2 else ("tf-keras", "keras", "keras-nightly")
    name = next(name for name in names if name in versions)
    generation = 2 if is_keras_2 or name == "tf-keras" else 3
    return f"{generation} ({name} {versions[name]})"


def counts() -> dict[str, int]:
    """The number of tests of each target in the last run of .ci/run; empty without one."""
    times = ROOT / "build/ci-times.json"
    if not times.exists():
        return {}
    steps = json.loads(times.read_text(encoding="utf-8"))["steps"]
    return {step["step"]: step["tests"] for step in steps if step["tests"]}


def record(old: dict) -> dict:
    """The record of today, with what the old one has of environments and tests not here."""
    here = {environment: installed(environment) for environment in targets()}
    known = {name: found or old["environments"].get(name) for name, found in here.items()}
    environments = {name: found for name, found in known.items() if found}
    return {"environments": environments, "tests": {**old["tests"], **counts()}}


def table(known: dict) -> str:
    """The table in Markdown, narrow enough for a page."""
    environments, tests = known["environments"], known["tests"]
    lines = [
        ["environment", *_COLUMNS, "also", "tests, and their number"],
        ["---"] * (len(_COLUMNS) + 3),
        *(
            [
                f"`{name}`",
                *(versions.get(column, "") for column in _COLUMNS),
                ", ".join(f"{k} {v}" for k, v in versions.items() if v and k not in _COLUMNS),
                _tested(targets()[name], tests),
            ]
            for name, versions in environments.items()
        ),
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _tested(names: list[str], tests: dict[str, int]) -> str:
    numbers = {name: f" ({tests[name]})" if name in tests else "" for name in names}
    return ", ".join(f"`make {name}`{number}" for name, number in numbers.items())


def main() -> None:
    """Reads the environments, and writes record and table."""
    old = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    known = record({"environments": {}, "tests": {}, **old})
    RECORD.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    TABLE.write_text(table(known), encoding="utf-8")


if __name__ == "__main__":
    main()
