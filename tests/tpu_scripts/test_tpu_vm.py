"""The commands of tpu_vm, against a gcloud that records and an API that answers here."""

import json
import re
import tarfile

import pytest

from tpu_scripts import checkout, tpu_vm

ZONE = "--zone=us-central1-a"
PROJECT = "--project=my-project"
READY = {"state": "READY", "health": "HEALTHY", "tensorflowVersion": "2.20.0"}


def gcloud(text):
    """A call of `gcloud compute tpus` as the fake one records it."""
    return ["compute", "tpus", *text.split(), ZONE, PROJECT]


def training(command):
    """A training's command as it reaches worker 0."""
    return f"mkdir -p logs && set -o pipefail && {command} 2>&1 | tee -a logs/training.log"


def command(action, *arguments):
    tpu_vm.main([action, "my-tpu", ZONE, PROJECT, *arguments])


def failure(capsys, *arguments):
    """The one line with which a command fails."""
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    text = capsys.readouterr().err
    text = caught.value.code if isinstance(caught.value.code, str) else text.rstrip()
    assert "\n" not in text
    return text


def test_a_zone_is_checked_first(cloud, capsys):
    with pytest.raises(SystemExit) as ended:
        tpu_vm.main(["create", "my-tpu", "--zone=us-central1", "--type=v3-8"])
    assert str(ended.value) == (
        "tpu_vm: `zone` must be one such as us-central1-a. Received: zone='us-central1'"
    )
    assert cloud.calls() == []


def test_create_calls_gcloud(cloud):
    command("create", "--type=v3-8", "--spot", "--labels=who=me,what=test")
    assert cloud.changes() == [
        gcloud(
            "tpu-vm create my-tpu --accelerator-type=v3-8 --version=tpu-ubuntu2204-base --spot "
            "--labels=who=me,what=test"
        )
    ]


def test_create_as_queued_resource(cloud):
    options = ["--network=net", "--subnetwork=sub", "--internal_ips", "--queued"]
    command("create", "--type=v5e-16", "--tf_version=2.18.0", *options)
    assert cloud.changes() == [
        gcloud(
            "queued-resources create my-tpu --accelerator-type=v5litepod-16 --node-id=my-tpu "
            "--runtime-version=tpu-vm-tf-2.18.0-pod-pjrt-v5e-and-v6 --network=net --subnetwork=sub "
            "--internal-ips"
        )
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--type=v3-8"),
        ("run", "--", "rm", "-rf", "a b"),
        ("copy",),
        ("logs", "--to=somewhere-new"),
        ("delete",),
        ("delete", "--queued"),
    ],
)
def test_dry_run_prints_exact_commands_and_runs_none(cloud, capsys, arguments):
    action, *rest = arguments
    command(action, "--dry_run", *rest)
    printed = capsys.readouterr().out
    assert printed.startswith("$ gcloud compute tpus ") and "my-tpu" in printed
    assert cloud.calls() == []


@pytest.mark.parametrize("name", ["--quiet", "-x", "My-tpu", "tpu;ls", "tpu-", "a" * 64, ""])
def test_names_that_are_none(cloud, capsys, name):
    with pytest.raises(SystemExit) as caught:
        tpu_vm.main(["delete", ZONE, "--yes", "--", name])
    assert f"Received: name={name!r}" in str(caught.value)
    assert cloud.calls() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "--type=v3-8", "--network=--quiet"], "network='--quiet'"),
        (["create", "--type=v3-8", "--project=--quiet"], "project='--quiet'"),
        (["create", "--type=v3-8", "--labels=a=b,--quiet"], "labels='a=b,--quiet'"),
        (["create", "--type=v3-8", "--queued", "--preemptible"], "--spot, not --preemptible"),
        (["create", "--type=v3-9"], "type='v3-9'"),
        (["create", "--type=v3-8", "--runtime=tpu-vm-tf-1.15.0-pjrt"], "installed TensorFlow"),
        (["create", "--type=v3-8", "--reservation=mine"], "reservation='mine'"),
        (["create", "--type=v5e-8", "--api=compute"], "v5e must be tpu.*api='compute'"),
        (["create", "--type=tpu7x-8", "--api=tpu"], "tpu7x must be compute.*api='tpu'"),
        (["status", "--api=compute"], "`type` must be given with --api=compute"),
        (["run", "--type=v3-32", "--training=v3-8", "--", "ls"], "training='v3-8'"),
        (["run", "--worker=--quiet", "--", "ls"], "worker='--quiet'"),
        (["delete"], "confirm with --yes"),
    ],
)
def test_unsafe_things_are_refused(cloud, capsys, arguments, message):
    assert re.search(f"^tpu_vm: .*{message}", failure(capsys, *arguments))
    assert cloud.calls() == []


def test_delete_with_yes(cloud):
    cloud.set_node(**READY)
    command("delete", "--yes")
    command("delete", "--yes", "--queued")
    assert cloud.calls() == [
        gcloud("tpu-vm delete my-tpu --quiet"),
        gcloud("queued-resources delete my-tpu --force --quiet"),
    ]


def test_a_tpu_that_is_not_there(cloud, capsys):
    with pytest.raises(SystemExit) as caught:
        command("status")
    assert caught.value.code == 4
    assert "404" in capsys.readouterr().err


def test_what_is_done_already_is_not_an_error(cloud, capsys):
    exists = "ERROR: (gcloud) ALREADY_EXISTS: Resource 'nodes/my-tpu' already exists"
    missing = "ERROR: (gcloud) NOT_FOUND: Resource 'nodes/my-tpu' was not found"
    cloud.tell(
        [
            {"when": ["tpu-vm", "create"], "err": exists, "code": 1},
            {"when": ["delete"], "err": missing, "code": 1},
        ]
    )
    command("create", "--type=v3-8")
    command("delete", "--yes")
    said = capsys.readouterr().err
    assert "my-tpu in us-central1-a exists already, and is left as it is" in said
    assert "my-tpu in us-central1-a does not exist, so there is nothing to delete" in said


def test_a_deletion_in_a_project_that_is_not_there_is_an_error(cloud):
    missing = "ERROR: The resource 'projects/my-project' was not found"
    cloud.tell([{"when": ["delete"], "err": missing, "code": 1}])
    with pytest.raises(SystemExit) as caught:
        command("delete", "--yes")
    assert caught.value.code == 1


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("ERROR: Quota 'TPUV3CoresPerProject' exceeded. Limit: 0", "has no quota"),
        ('{"code": 8, "message": "There is no more capacity in the zone"}', "try --queued"),
        ("ERROR: PERMISSION_DENIED: Cloud TPU API has not been used", "gcloud auth login"),
    ],
)
def test_what_gcloud_says_is_passed_on_with_advice(cloud, capsys, said, hint):
    cloud.tell([{"when": ["tpu-vm create"], "err": said, "code": 7}])
    with pytest.raises(SystemExit) as caught:
        command("create", "--type=v3-8", "--tf_version=2.20.0")
    assert caught.value.code == 7
    error = capsys.readouterr().err
    assert said in error and hint in error and "docs/tpu.md" in error


def test_without_gcloud(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit):
        command("create", "--type=v3-8", "--tf_version=2.20.0")
    assert "gcloud is not installed" in capsys.readouterr().err


def test_wait_through_slow_creation(cloud, capsys):
    cloud.tell(
        [
            {"when": ["queued-resources", "describe"], "out": "WAITING_FOR_RESOURCES\n"},
            {"when": ["queued-resources", "describe"], "out": "PROVISIONING\n"},
            {"when": ["queued-resources", "describe"], "out": "ACTIVE\n"},
        ]
    )
    cloud.set_node(**READY, acceleratorType="v3-8", wait_for=6)
    command("wait", "--queued", "--interval=0", "--timeout=60")
    printed = capsys.readouterr()
    assert printed.out == "my-tpu is healthy: v3-8, 2.20.0\n"
    lines = [line.partition("my-tpu: ")[2] for line in printed.err.splitlines()]
    assert lines == ["WAITING_FOR_RESOURCES", "PROVISIONING", "state CREATING, health UNKNOWN"]


def test_wait_ends_when_the_queue_says_no(cloud):
    cloud.tell([{"when": ["queued-resources", "describe"], "out": "FAILED\n"}])
    with pytest.raises(SystemExit, match="my-tpu is FAILED"):
        command("wait", "--queued", "--interval=0")


def test_wait_has_a_limit(cloud):
    cloud.set_node(state="CREATING", health="")
    with pytest.raises(SystemExit, match=r"not healthy within.*state CREATING"):
        command("wait", "--interval=1", "--timeout=0.5")


def test_status_of_a_preempted_tpu(cloud, capsys):
    cloud.set_node(**{**READY, "state": "PREEMPTED"}, acceleratorType="v2-8")
    command("status", "--json")
    assert json.loads(capsys.readouterr().out) == {
        **{"state": "PREEMPTED", "health": "HEALTHY"},
        **{"runtime_version": "2.20.0", "accelerator_type": "v2-8"},
    }
    command("status")
    assert capsys.readouterr().out.splitlines()[0].split() == ["state", "PREEMPTED"]


def test_the_project_can_be_gclouds_own(cloud, capsys):
    cloud.tell([{"when": ["config", "get-value", "project"], "out": "of-gcloud\n"}])
    cloud.set_node(**READY)
    tpu_vm.main(["status", "my-tpu", ZONE])
    cloud.tell([{"when": ["config", "get-value", "project"], "out": "(unset)\n"}])
    with pytest.raises(SystemExit):
        tpu_vm.main(["status", "my-tpu", ZONE])
    assert "no project" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "worker", "expected"),
    [
        (["--", "echo", "a b"], "all", "echo 'a b'"),
        (["--worker=3", "--", "nproc"], "3", "nproc"),
        (
            ["--training=v3-8", "--runtime=tpu-vm-tf-2.20.0-pjrt", "--", "train"],
            "0",
            training(
                "TPU_NAME=local NEXT_PLUGGABLE_DEVICE_USE_C_API=true "
                "TF_PLUGGABLE_DEVICE_LIBRARY_PATH=/lib/libtpu.so train"
            ),
        ),
        (
            ["--training=v3-8", "--runtime=tpu-vm-tf-2.20.0-se", "--", "train"],
            "0",
            training("TPU_NAME=local train"),
        ),
        (
            ["--training=v6e-8", "--runtime=v2-alpha-tpuv6e", "--", "train"],
            "0",
            training("TPU_NAME=local train"),
        ),
        (
            ["--training=v3-32", "--tf_version=2.18.0", "--", "train"],
            "0",
            training("TPU_NAME=my-tpu TPU_LOAD_LIBRARY=0 train"),
        ),
    ],
)
def test_run(cloud, arguments, worker, expected):
    command("run", *arguments)
    (call,) = cloud.calls()
    assert call[3:6] == ["ssh", "my-tpu", f"--worker={worker}"]
    assert call[6] == f"--command=mkdir -p evonorm-tf && cd evonorm-tf && {expected}"


def test_run_ends_as_the_command_did(cloud):
    cloud.tell([{"when": ["ssh"], "err": "no such file", "code": 3}])
    with pytest.raises(SystemExit) as caught:
        command("run", "--", "false")
    assert caught.value.code == 3


def test_copy_takes_the_checkout_to_all_workers(cloud):
    command("copy")
    upload, unpack = cloud.calls()
    assert upload[3] == "scp" and upload[5] == "my-tpu:evonorm-tf.tar.gz"
    assert upload[6] == unpack[5] == "--worker=all"
    assert "tar -xzf evonorm-tf.tar.gz -C evonorm-tf" in unpack[6]


def test_the_archive_has_what_git_knows(tmp_path):
    names = checkout.archive(tmp_path / "checkout.tar.gz")
    with tarfile.open(tmp_path / "checkout.tar.gz") as tar:
        assert tar.getnames() == names
    assert {"setup.py", "evonorm_tf/__init__.py", "trainers/train.py"} <= set(names)
    assert not any(name.startswith((".venv", ".git/", "runs/")) for name in names)
    with pytest.raises(ValueError, match="is not a git checkout"):
        checkout.archive(tmp_path / "other.tar.gz", tmp_path)


def test_logs_overwrite_nothing(cloud, tmp_path):
    command("logs", f"--to={tmp_path / 'new'}")
    (call,) = cloud.calls()
    assert call[3:7] == ["scp", "--recurse", "my-tpu:evonorm-tf/logs", str(tmp_path / "new")]
    with pytest.raises(SystemExit, match="must not exist"):
        command("logs", f"--to={tmp_path}")
