"""What needs no TensorFlow must not wait for it: help, errors, and looks at a run or the space."""

import re
import shlex

import pytest

import evonorm_tf as en
from tests.search.synthetic_run import write_run
from tests.without_tensorflow import answers

EXECUTOR = "--executor --workers --ray-address"
HELP = {
    "": "run resume status report rerank sample export",
    "init": "--preset --output --force",
    "run": f"--run-dir --preset --config --seed --algorithm --set --no-final {EXECUTOR}",
    "resume": f"--run-dir --no-final --minutes --trust {EXECUTOR}",
    "status": "--run-dir",
    "report": "--run-dir --compare --trust",
    "watch": "--run-dir --host --port --trust",
    "rerank": f"--run-dir --trust {EXECUTOR}",
    "sample": "--count --seed --batch-independent --set --json",
    "export": "--run-dir --rank --output --force --trust",
}
EXPERIMENTS = "--run-dir --out --seeds --evaluations --workers"
# What `argparse` refuses, with status 2.
MISUSED = {
    "search": "arguments are required: command",
    "search walk": "invalid choice: 'walk'",
    "search run": "arguments are required: --run-dir",
    "search run --run-dir {new} --sped 1": "unrecognized arguments: --sped 1",
    "search run --run-dir {new} --preset demo --config a.yaml": "not allowed with argument",
    "search export": "arguments are required: --run-dir",
    "benchmarks.search_experiments": "arguments are required: --run-dir",
    "benchmarks.search_experiments --run-dir {new} --seeds many": "invalid int value: 'many'",
}
# What the search itself refuses, with status 1 and one line.
REFUSED = {
    "search run --run-dir {new} --preset paper": "--preset must be one of demo, cifar-small,",
    "search run --run-dir {new} --set method.sed=1": "with a known field. Received: 'method.sed=1'",
    "search run --run-dir {new} --set evaluation.steps=few": "evaluation.steps cannot be 'few'",
    "search run --run-dir {new} --set evaluation.anchors=vgg": "'vgg': it is one of resnet50_cifar",
    "search run --run-dir {new} --set evaluation.data=Mnist": "'Mnist': it is one of digits, inv",
    "search run --run-dir {new} --set evaluation.data=no.npz": "'no.npz': there is no such file",
    "search run --run-dir {new} --set evaluation.anchors=no.keras": "'no.keras': there is no such",
    "search run --run-dir {new} --set evaluation.objective=loss": "'loss': it is module:function",
    "search run --run-dir {new} --set evaluation.inputs=words": "'words': it is one of images, se",
    "search run --run-dir {new} --config no.yaml": "cannot read no.yaml: No such file",
    "search run --run-dir {new} --set baselines=relu": "'relu': it is one of b0_max_to_add, ",
    "search run --run-dir {run} --preset smoke": "{run} holds a search already",
    "search resume --run-dir {new}": "{new} holds no search",
    "search rerank --run-dir {new}": "{new} holds no search",
    "search status --run-dir {new}": "{new} holds no search",
    "search report --run-dir {new}": "{new} holds no search",
    "search report --run-dir {run} --compare {new}": "{new} holds no search",
    "search watch --run-dir {new}": "{new} holds no search",
    "search export --run-dir {new}": "{new} holds no search",
    "search export --run-dir {run} --rank 99": "--rank must be 1 to ",
    "search sample --count 0": "--count must be at least 1",
    "search sample --set space.primitives=GELU": "space.primitives cannot be 'GELU': it is one of",
    "search run --run-dir {new} --set space.modules=nowhere": "'nowhere': there is no module nowh",
    "benchmarks.search_experiments --run-dir {new} --workers 0": "workers cannot be 0",
    "benchmarks.search_experiments --run-dir {new} --evaluations 0": (
        "method.max_evaluated cannot be 0"
    ),
    "benchmarks.random_layers --run-dir {new} --candidates 0": "method.max_candidates cannot be 0",
    "benchmarks.search_experiments --run-dir {new} --seeds 0": "--seeds must be at least 1",
    "benchmarks.search_experiments --run-dir {new} --out {run}/search.sqlite": (
        "cannot write into {run}"
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder that holds a run, and one that is not there."""
    folder = tmp_path_factory.mktemp("light")
    return {"run": write_run(folder / "run", 30), "new": folder / "new"}


def run_all(commands):
    return answers([shlex.split(command) for command in commands])


def test_help_lists_the_options():
    expected = {f"search {command} --help": flags for command, flags in HELP.items()}
    expected["benchmarks.search_experiments --help"] = EXPERIMENTS
    for (command, flags), answer in zip(expected.items(), run_all(expected), strict=True):
        assert answer.status == 0, answer.text
        missing = [flag for flag in flags.split() if flag not in answer.text]
        assert not missing, f"{command}: {missing}"


def test_errors(folders):
    cases = [(2, *case) for case in MISUSED.items()] + [(1, *case) for case in REFUSED.items()]
    commands = [command.format(**folders) for _, command, _ in cases]
    for (status, command, message), answer in zip(cases, run_all(commands), strict=True):
        assert answer.status == status, f"{command}: {answer.text}"
        assert message.format(**folders) in answer.text, command
        assert status == 2 or re.fullmatch("search: .*\n", answer.text), answer.text
    assert not folders["new"].exists()


def test_sample_status_and_export(folders, tmp_path):
    formulas, graphs, status, exported = run_all(
        [
            "search sample --count 5",
            "search sample --count 1 --json",
            f"search status --run-dir {folders['run']}",
            f"search export --run-dir {folders['run']} --output {tmp_path}",
        ]
    )
    assert [answer.status for answer in (formulas, graphs, status, exported)] == [0] * 4
    lines = formulas.text.splitlines()
    assert len(lines) == 5
    assert en.LayerGraph.from_json(graphs.text).formula() == lines[0]
    assert status.text.startswith("30 genotypes in 400 s\n")
    (python,) = tmp_path.glob("candidate_*.py")
    assert python.read_text() in exported.text
    assert en.LayerGraph.load(python.with_suffix(".json")).name == python.stem


@pytest.mark.slow
def test_report(folders):
    (answer,) = run_all([f"search report --run-dir {folders['run']}"])
    assert answer == (0, f"report: {folders['run'] / 'report.html'}\n")
