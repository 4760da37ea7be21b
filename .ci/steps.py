"""The steps of `.ci/run`, which must all pass before a merge.

Steps run one after the other. At the end stands what each has cost, also in
build/ci-times.json. CONTRIBUTING.md says which tests are part of it.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import time
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


class Step(NamedTuple):
    """A make target, and what its skipped tests may need."""

    target: str
    may_lack: tuple[str, ...] = ()


STEPS = (
    Step("install-all"),
    Step("lint"),
    Step("test-layers", ("tensorflow-addons", "a C compiler")),
    Step("test-search", ("Chromium",)),
    Step("test-trainers", ("torch and timm", "Keras 3")),
    Step("test-detection-gan"),
    Step("docs"),
    Step("test-docs"),
    Step(
        "test-keras3",
        (
            *("tensorflow-addons", "a Keras with", "TFLite", "torch and timm"),
            *("tf-models-official", "a C compiler"),
        ),
    ),
    Step("test-next", ("tensorflow-addons", "a Keras with", "TFLite", "a C compiler")),
    Step("test-backends"),
    Step("test-tf215", ("a Keras with", "a C compiler")),
    Step("test-tpu"),
    Step("test-gpu"),
    # Alone: its workers answer too late where others take the cores.
    Step("test-ray"),
)


def run_step(step):
    """Runs one step, shown as it runs; returns its record."""
    started = time.monotonic()
    arguments = f"PYTEST_ARGS=--junitxml={_report(step)} --durations=25"
    done = subprocess.run(["make", step.target, arguments], cwd=ROOT, check=False)
    tests, skipped = _tests(step)
    return {
        "step": step.target,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "tests": tests,
        "failed": done.returncode != 0,
        "must_not_be_skipped": skipped,
    }


def _report(step):
    return BUILD / f"{step.target}.xml"


def _tests(step):
    """The number of tests, and those skipped that had to run."""
    if not _report(step).exists():
        return 0, []
    cases = list(ElementTree.parse(_report(step)).iter("testcase"))
    wrong = []
    for case in cases:
        skip = case.find("skipped")
        reason = "" if skip is None else f"{skip.get('message')} {skip.text}"
        if skip is not None and not any(need in reason for need in step.may_lack):
            wrong.append(f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}")
    return len(cases), wrong


def summarize(records, minutes):
    """Prints the table and writes it; returns the exit code."""
    times = {"minutes": minutes, "steps": records}
    (BUILD / "ci-times.json").write_text(json.dumps(times, indent=1) + "\n", encoding="utf-8")
    print(f"\n{'step':20} {'minutes':>8} {'tests':>6}")
    for record in records:
        verdict = "  FAILED" if record["failed"] else ""
        verdict += "  SKIPPED what must run" if record["must_not_be_skipped"] else ""
        line = f"{record['step']:20} {record['minutes']:8.1f} {record['tests'] or '':>6}"
        print(line + verdict)
        print("".join(f"    {test}\n" for test in record["must_not_be_skipped"]), end="")
    print(f"{'all':20} {minutes:8.1f} {sum(record['tests'] for record in records):6}")
    return any(record["failed"] or record["must_not_be_skipped"] for record in records)


def main():
    """Runs all steps, whatever fails, so that one run shows all."""
    started = time.monotonic()
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir()
    records = []
    for step in STEPS:
        passed = (time.monotonic() - started) / 60
        print(f"== make {step.target} (after {passed:.1f} minutes)", flush=True)
        records.append(run_step(step))
        if records[0]["failed"]:
            break  # nothing is installed
    return summarize(records, round((time.monotonic() - started) / 60, 1))


if __name__ == "__main__":
    sys.exit(main())
