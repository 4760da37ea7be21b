"""TPUs of Compute Engine: exact commands, states, several hosts."""

import json
import re

import pytest

from tpu_scripts import accelerators, machines, tpu_vm

PLACE = ["--zone=us-central1-a", "--project=my-project"]
REGION = ["--region=us-central1", "--project=my-project"]
V6E = ["--type=v6e-8", "--api=compute"]
SLICE = ["--type=tpu7x-16"]
REGIONAL = "projects/my-project/regions/us-central1"
MISSING = {"err": "ERROR: The resource 'projects/p/my-tpu' was not found", "code": 1}


def command(action, *arguments):
    tpu_vm.main([action, "my-tpu", *PLACE, *arguments])


def instance(machine, image, *flags):
    """The flags of an instance, as gcloud gets them."""
    return [
        f"--machine-type={machine}",
        f"--image-family={image}",
        "--image-project=ubuntu-os-accelerator-images",
        "--boot-disk-size=200GB",
        "--maintenance-policy=TERMINATE",
        "--scopes=cloud-platform",
        *flags,
    ]


OLDER, TPU7X = "ubuntu-accel-2204-amd64-tpu-v5e-v5p-v6e", "ubuntu-accel-2404-amd64-tpu-tpu7x"


@pytest.mark.parametrize(
    ("name", "machine", "image", "topology"),
    [
        ("v6e-1", "ct6e-standard-1t", OLDER, ""),
        ("v6e-4", "ct6e-standard-4t", OLDER, ""),
        ("v6e-8", "ct6e-standard-8t", OLDER, ""),
        ("v6e-16", "ct6e-standard-4t", OLDER, "4x4"),
        ("v5p-8", "ct5p-hightpu-4t", OLDER, ""),
        ("v5p-128", "ct5p-hightpu-4t", OLDER, "4x4x4"),
        ("tpu7x-8", "tpu7x-standard-4t", TPU7X, ""),
        ("tpu7x-16", "tpu7x-standard-4t", TPU7X, "2x2x2"),
    ],
)
def test_machines(name, machine, image, topology):
    accelerator = accelerators.parse_type(name)
    found = machines.machine_for(accelerator)
    assert (found.machine_type, found.topology) == (machine, topology)
    assert machines.image_for(accelerator) == image
    machines.check_image(image)


def test_a_single_host_is_an_instance(cloud):
    command("create", *V6E, "--spot", "--labels=who=me")
    flags = ["--provisioning-model=SPOT", "--instance-termination-action=DELETE", "--labels=who=me"]
    assert cloud.changes() == [
        [
            *("compute", "instances", "create", "my-tpu"),
            *(*instance("ct6e-standard-8t", OLDER, *flags), *PLACE),
        ]
    ]


def test_tpu7x_is_on_compute_engine_alone(cloud):
    command("create", "--type=tpu7x-8", "--network=net", "--subnetwork=sub", "--internal_ips")
    network = ["--network=net", "--subnet=sub", "--no-address"]
    flags = instance("tpu7x-standard-4t", TPU7X, "--boot-disk-type=hyperdisk-balanced", *network)
    assert cloud.changes() == [["compute", "instances", "create", "my-tpu", *flags, *PLACE]]


def test_a_slice_is_a_group_with_policy_and_template(cloud):
    command("create", *SLICE, "--reservation=mine", "--subnetwork=sub")
    flags = instance(
        *("tpu7x-standard-4t", TPU7X, "--boot-disk-type=hyperdisk-balanced"),
        *("--provisioning-model=RESERVATION_BOUND", "--reservation=mine"),
        *("--reservation-affinity=specific", "--instance-termination-action=DELETE"),
        f"--subnet={REGIONAL}/subnetworks/sub",
    )
    assert cloud.changes() == [
        [
            *("compute", "resource-policies", "create", "workload-policy", "my-tpu"),
            *("--type=HIGH_THROUGHPUT", "--accelerator-topology=2x2x2", *REGION),
        ],
        [
            *("compute", "instance-templates", "create", "my-tpu", *flags),
            *("--instance-template-region=us-central1", "--project=my-project"),
        ],
        [
            *("compute", "instance-groups", "managed", "create", "my-tpu", "--size=2"),
            *("--target-size-policy-mode=bulk", "--default-action-on-vm-failure=do-nothing"),
            f"--template={REGIONAL}/instanceTemplates/my-tpu",
            f"--workload-policy={REGIONAL}/resourcePolicies/my-tpu",
            *PLACE,
        ],
    ]


def test_a_creation_that_broke_off_is_completed(cloud):
    exists = "ERROR: The resource 'projects/p/my-tpu' already exists"
    cloud.tell(
        [
            {"when": ["workload-policy", "create"], "err": exists, "code": 1},
            {"when": ["instance-templates", "create"], "err": exists, "code": 1},
        ]
    )
    command("create", *SLICE)
    assert [call[1] for call in cloud.changes()] == [
        *("resource-policies", "instance-templates", "instance-groups"),
    ]


def test_deletion(cloud):
    command("delete", *V6E, "--yes")
    assert cloud.changes() == [["compute", "instances", "delete", "my-tpu", "--quiet", *PLACE]]


@pytest.mark.parametrize("rules", [[], [{"when": ["delete"], "times": 3, **MISSING}]])
def test_deletion_of_a_slice_takes_all_parts_and_can_be_repeated(cloud, rules):
    cloud.tell(rules)
    command("delete", *SLICE, "--yes")
    assert cloud.changes() == [
        ["compute", "instance-groups", "managed", "delete", "my-tpu", "--quiet", *PLACE],
        ["compute", "instance-templates", "delete", "my-tpu", "--quiet", *REGION],
        ["compute", "resource-policies", "delete", "my-tpu", "--quiet", *REGION],
    ]


def test_a_group_that_cannot_be_deleted_keeps_its_parts(cloud):
    cloud.tell([{"when": ["instance-groups", "delete"], "err": "it is in use", "code": 5}])
    with pytest.raises(SystemExit) as caught:
        command("delete", *SLICE, "--yes")
    assert caught.value.code == 5 and len(cloud.changes()) == 1


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("PROVISIONING", "CREATING"),
        ("STAGING", "CREATING"),
        ("RUNNING", "READY"),
        ("STOPPING", "STOPPING"),
        ("TERMINATED", "TERMINATED"),
    ],
)
def test_states_are_those_of_the_cloud_tpu_api(cloud, capsys, said, state):
    cloud.tell([{"when": ["instances describe"], "out": said}])
    command("status", *V6E, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["state"] == state and answer["accelerator_type"] == "v6e-8"
    assert answer["health"] == ("HEALTHY" if state == "READY" else "UNKNOWN")


def test_running_is_not_ready_while_ssh_does_not_answer(cloud, capsys):
    probe = {"when": ["ssh", "--command=true"], "err": "Connection refused", "code": 255}
    cloud.set_node(state="READY")
    cloud.tell([{**probe, "times": 2}])
    command("wait", *V6E, "--interval=0", "--timeout=60")
    printed = capsys.readouterr()
    assert printed.out == "my-tpu is healthy: v6e-8\n"
    assert "my-tpu: state STARTING, health UNKNOWN" in printed.err
    assert [
        *("compute", "ssh", "my-tpu", "--command=true", "--quiet"),
        *("--ssh-flag=-oConnectTimeout=10", *PLACE),
    ] in cloud.calls()


def test_an_instance_that_is_not_there(cloud):
    with pytest.raises(SystemExit) as caught:
        command("status", *V6E)
    assert caught.value.code == 4


def slice_of(*states):
    """A rule with a group's instances, the last by name first."""
    listed = [
        {"instance": f"https://compute/zones/z/instances/my-tpu-{name}", "instanceStatus": state}
        for name, state in zip("ba", states, strict=False)
    ]
    return {"when": ["list-instances"], "out": json.dumps(listed), "times": 9}


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["RUNNING", "RUNNING"], "READY"),
        (["RUNNING"], "CREATING"),
        (["RUNNING", "STAGING"], "CREATING"),
        (["TERMINATED", "RUNNING"], "TERMINATED"),
        ([], "CREATING"),
    ],
)
def test_a_slice_is_as_ready_as_its_last_host(cloud, capsys, states, state):
    cloud.tell([slice_of(*states)])
    command("status", *SLICE, "--json")
    assert json.loads(capsys.readouterr().out)["state"] == state


def test_a_command_runs_on_all_hosts_of_a_slice(cloud):
    cloud.tell([slice_of("RUNNING", "RUNNING")])
    command("run", *SLICE, "--", "nproc")
    text = "--command=mkdir -p evonorm-tf && cd evonorm-tf && nproc"
    assert sorted(cloud.changes()) == [
        ["compute", "ssh", f"my-tpu-{name}", text, "--quiet", *PLACE] for name in "ab"
    ]


def test_workers_are_numbered_by_name(cloud, capsys):
    cloud.tell([slice_of("RUNNING", "RUNNING")])
    command("run", *SLICE, "--worker=1", "--", "nproc")
    assert [call[2] for call in cloud.changes()] == ["my-tpu-b"]
    with pytest.raises(SystemExit, match=r"less than 2. Received: worker=2"):
        command("run", *SLICE, "--worker=2", "--", "nproc")


def test_one_host_that_fails_fails_the_command(cloud):
    broken = {"when": ["ssh", "my-tpu-a"], "err": "no such file", "code": 3}
    cloud.tell([slice_of("RUNNING", "RUNNING"), broken])
    with pytest.raises(SystemExit) as caught:
        command("run", *SLICE, "--", "false")
    assert caught.value.code == 3 and len(cloud.changes()) == 2


def test_files_come_and_go(cloud, tmp_path):
    command("copy", *V6E)
    upload, unpack = cloud.changes()
    assert upload[:2] == ["compute", "scp"] and upload[3:] == [
        *("my-tpu:evonorm-tf.tar.gz", "--quiet", *PLACE),
    ]
    assert unpack[:3] == ["compute", "ssh", "my-tpu"] and "tar -xzf" in unpack[3]
    command("logs", *V6E, f"--to={tmp_path / 'new'}")
    assert cloud.changes()[-1] == [
        *("compute", "scp", "--recurse", "my-tpu:evonorm-tf/logs", str(tmp_path / "new")),
        *("--quiet", *PLACE),
    ]


def test_a_training_runs_on_a_single_host(cloud):
    command("run", *V6E, "--training=v6e-8", "--", "train")
    (call,) = cloud.changes()
    assert call[2] == "my-tpu" and "TPU_NAME=local train" in call[3]


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", *V6E),
        ("create", *SLICE),
        ("run", *SLICE, "--", "nproc"),
        ("copy", *SLICE),
        ("logs", *SLICE, "--to=somewhere-new"),
        ("delete", *SLICE),
    ],
)
def test_a_dry_run_prints_commands_and_calls_none(cloud, capsys, arguments):
    action, *rest = arguments
    command(action, "--dry_run", *rest)
    assert capsys.readouterr().out.startswith("$ gcloud compute ")
    assert cloud.calls() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", *V6E, "--queued"], "has no queued resources. Received: type='v6e-8'"),
        (["create", *V6E, "--preemptible"], "have --spot, not --preemptible"),
        (["create", *V6E, "--spot", "--reservation=mine"], "reservation='mine'"),
        (["create", *V6E, "--runtime=--quiet"], "must be an image family.*runtime='--quiet'"),
        (["create", *V6E, "--network=--quiet"], "network='--quiet'"),
        (["create", "--type=tpu7x-24"], "chips for a slice.*type='tpu7x-24', of 12 chips"),
        (["create", "--type=tpu7x-8", "--experiment=imagenet_resnet50_evonorm_s0"], "'tpu7x-8'"),
        (["run", *SLICE, "--training=tpu7x-16", "--", "train"], "generation with TensorFlow"),
        (["delete", *V6E], "confirm with --yes"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(cloud, capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    code = caught.value.code
    text = code if isinstance(code, str) else capsys.readouterr().err
    assert code not in (0, None)
    (line,) = text.splitlines()
    assert line.startswith("tpu_vm: ")
    assert re.search(message, line)
    assert cloud.calls() == []


def test_a_dry_run_of_a_slice_needs_a_project(cloud):
    with pytest.raises(SystemExit, match=r"`project` must be given.*project=''"):
        tpu_vm.main(["create", "my-tpu", PLACE[0], *SLICE, "--dry_run"])
    assert cloud.calls() == []
