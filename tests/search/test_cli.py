"""The command line: one clear line and an exit code for what a user can put right."""

import json
import os
import resource
import signal
import subprocess
import sys

import pytest

from search import cli, presets
from search.config import Config
from search.storage.candidate import Candidate
from search.storage.database import DATABASE
from search.storage.store import Store

SMOKE = ["--preset", "smoke", "--workers", "1", "--no-final"]


def _main(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def finished(tmp_path):
    """A run folder whose search has ended."""
    from search import lifecycle

    settings = presets.preset("smoke").override(["method.max_candidates=1"])
    with lifecycle.create(tmp_path / "run", settings) as store:
        store.update(1, status="accepted", fitness=0.5)
        graph = '{"schema_version": 1, "nodes": [{"op": "TANH", "inputs": [0]}]}'
        store.add(
            Candidate(
                2,
                "random",
                graph=graph,
                formula="tanh(x)",
                status="accepted",
                fitness=0.25,
                scores={"mobilenet_v2_small": 0.25},
            )
        )
        store.add(Candidate(3, "random", formula="0", status="rejected", reason="no_input"))
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--preset", "paper"],
            "--preset must be one of demo, cifar-small,",
        ),
        (["--set", "method.sed=1"], "an override must be section.field=value"),
        (["--algorithm", "annealing"], "it is one of evolution, random_rejection, random"),
        (["--workers", "0"], "workers cannot be 0"),
        (["--set", "evaluation.anchors=vgg"], "evaluation.anchors cannot be 'vgg': it is one of"),
        (["--set", "evaluation.data=Mnist"], "evaluation.data cannot be 'Mnist': it is one of"),
        (["--set", "baselines=relu"], "baselines cannot be 'relu': it is one of b0_max_to_add"),
    ],
)
def test_bad_options_make_no_folder(capsys, tmp_path, arguments, message):
    code, out, err = _main(capsys, "run", "--run-dir", tmp_path / "run", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("search: ") and err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "run").exists()


def test_an_unknown_option_and_command_are_refused(capsys, tmp_path):
    for arguments in (["run", "--run-dir", "x", "--sped", "1"], ["walk"], ["run"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 2
    assert "--run-dir" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made(capsys, tmp_path):
    (tmp_path / "file").write_text("kept")
    code, _, err = _main(capsys, "run", "--run-dir", tmp_path / "file" / "run", *SMOKE)
    assert code == 1
    assert "cannot write the run folder" in err and err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("command", ["resume", "status", "report", "rerank"])
def test_a_folder_without_a_run(capsys, tmp_path, command):
    code, _, err = _main(capsys, command, "--run-dir", tmp_path)
    assert code == 1
    assert err == f"search: {tmp_path} holds no search: there is no {DATABASE}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["resume", "status", "report", "rerank"])
def test_a_run_of_another_version_and_a_corrupt_one(capsys, finished, command):
    with Store.open(finished) as store:
        store.set_meta("schema_version", 2)
    code, _, err = _main(capsys, command, "--run-dir", finished)
    assert code == 1
    assert "schema version 2; this program reads version 1" in err
    (finished / DATABASE).write_bytes(b"\0" * 5000)
    code, _, err = _main(capsys, command, "--run-dir", finished)
    assert code == 1 and err.count("\n") == 1
    assert "file is not a database" in err
    assert (finished / DATABASE).read_bytes() == b"\0" * 5000


def test_a_run_is_not_started_twice(capsys, finished):
    before = (finished / DATABASE).read_bytes()
    code, _, err = _main(capsys, "run", "--run-dir", finished, *SMOKE)
    assert code == 1
    assert "holds a search already: `resume` it" in err
    assert (finished / DATABASE).read_bytes() == before


def test_status(capsys, finished):
    code, out, _ = _main(capsys, "status", "--run-dir", finished)
    assert code == 0
    assert out.splitlines() == [
        "2 genotypes in 0 s",
        "  status accepted: 1",
        "  status rejected: 1",
        "  reason no_input: 1",
        "  0.2500  candidate 2: tanh(x) * gamma + beta",
    ]


def test_a_reader_that_goes_away_is_no_error():
    # More than a pipe holds, so that the writer notices.
    command = [sys.executable, "-m", "search", "sample", "--count", "2000", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 141
    assert "Traceback" not in process.stderr.read()


def test_sample_prints_graphs_that_load(capsys):
    import evonorm_tf as en

    code, out, _ = _main(capsys, "sample", "--count", 3, "--seed", 5, "--json")
    assert code == 0
    graphs = [en.LayerGraph.from_json(text + "}\n") for text in out.strip().split("\n}\n")[:-1]]
    assert all(len(graph.nodes) == 10 for graph in graphs)
    again = _main(capsys, "sample", "--count", 3, "--seed", 5, "--json")[1]
    assert again == out
    formulas = _main(capsys, "sample", "--count", 3, "--seed", 5)[1].splitlines()
    assert formulas[:2] == [graph.formula() for graph in graphs]
    assert _main(capsys, "sample", "--count", 0)[0] == 1


@pytest.mark.slow
def test_a_worker_that_cannot_start_ends_the_run_with_one_line(capsys, tmp_path, monkeypatch):
    # No network and an empty folder: TFDS has no CIFAR-10 to give.
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    settings = ["--set", "evaluation.data=cifar10", "--set", f"evaluation.data_dir={tmp_path}"]
    code, _, err = _main(capsys, "run", "--run-dir", tmp_path / "run", *SMOKE, *settings)
    assert code == 1
    assert "search: a worker could not start: " in err


def _limit_files():
    # Stands for a full disk: no file may grow beyond 64 KiB.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))


def test_a_full_disk_while_the_store_is_written(tmp_path):
    program = (
        "import sys; from search.errors import *; from search.storage.store import Store\n"
        "from search.storage.store import Candidate\n"
        "store = Store.create(sys.argv[1], {})\n"
        "try:\n"
        "    for number in range(1, 2000):\n"
        "        store.add(Candidate(number, 'random', graph='x' * 500))\n"
        "except SearchError as error: sys.exit(f'{number} {error}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run")],
        preexec_fn=_limit_files,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    number, _, message = done.stderr.strip().partition(" ")
    assert message.startswith(str(tmp_path / "run" / DATABASE)) and "\n" not in message
    # What had been written before is whole.
    with Store.open(tmp_path / "run", controller=True) as store:
        assert [row.id for row in store.candidates()] == list(range(1, int(number)))


@pytest.fixture
def _interruptible():
    """A shell starts what runs in its background, such as these tests, with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_resume_takes_the_time_to_search_from_now_on(capsys, finished, monkeypatch):
    from search import lifecycle

    executed = []

    def execute(store, config, progress, with_final):
        executed.append(config)

    monkeypatch.setattr(lifecycle, "execute", execute)
    with Store.open(finished, controller=True) as store:
        store.set_meta("elapsed", 120.0)
    resume = ("resume", "--run-dir", finished, "--no-final", "--minutes")
    assert _main(capsys, *resume, 5)[0] == 0
    assert [config.method.max_minutes for config in executed] == [7.0]
    with Store.open(finished) as store:
        assert Config.from_dict(store.meta("config")) == executed[0]
    code, out, err = _main(capsys, *resume, -1)
    assert (code, out) == (1, "") and "method.max_minutes cannot be -1" in err


@pytest.mark.slow
@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path):
    run_dir = tmp_path / "run"
    command = [sys.executable, "-m", "search", "run", "--run-dir", str(run_dir), *SMOKE]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )
    _wait_for_candidates(run_dir, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"python -m search resume --run-dir {run_dir}" in err
    assert "Traceback" not in err
    config = json.loads((run_dir / "config.json").read_text())
    assert config["preset"] == "smoke"
    Store.open(run_dir, controller=True).close()


def _wait_for_candidates(run_dir, process):
    """Blocks until the run has a second row, by asking the store."""
    while process.poll() is None:
        if (run_dir / DATABASE).exists():
            with Store.open(run_dir) as store:
                if len(store.candidates()) > 1:
                    return
    raise AssertionError(process.communicate())
