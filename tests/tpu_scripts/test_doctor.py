"""The checks before a creation, and that nothing is created where they refuse."""

import json
import re

import pytest

from tpu_scripts import accelerators, quotas, tpu_vm
from tpu_scripts.gcloud import Gcloud

PLACE = ["--zone=us-central1-a", "--project=my-project"]
V3 = ["--type=v3-8"]
V6E = ["--type=v6e-8", "--api=compute"]
TRAINING = [
    "--experiment=imagenet_resnet50_evonorm_s0",
    *("--layer=evonorm_s0", "--data_dir=gs://data/tfds", "--bucket=gs://mine/runs"),
]


def findings(capsys, *arguments):
    """Verdicts by subject, and the exit code."""
    code = 0
    try:
        tpu_vm.main(["doctor", *PLACE, "--json", *arguments])
    except SystemExit as end:
        code = end.code
    listed = json.loads(capsys.readouterr().out)
    return {finding["subject"]: (finding["verdict"], finding["text"]) for finding in listed}, code


def limit(name, value, **dimensions):
    """A rule: the answer of `gcloud beta quotas` with one limit."""
    entry = {"dimensions": dimensions, "details": {"value": str(value)}}
    return {"when": ["quotas info describe", name], "out": json.dumps({"dimensionsInfos": [entry]})}


def test_all_in_order(cloud, capsys):
    cloud.tell([limit("PREEMPTIBLE-TPU-V6E-per-project-region", 32, region="us-central1")])
    found, code = findings(capsys, *V6E, "--spot", *TRAINING)
    assert code == 0
    assert list(found) == [
        *("type", "experiment", "layer", "project", "API", "zone", "runtime", "quota"),
        *("data", "bucket"),
    ]
    assert {verdict for verdict, _ in found.values()} == {"ok"}
    assert cloud.changes() == []


def test_the_exact_questions(cloud, capsys):
    findings(capsys, *V6E, "--spot", *TRAINING)
    place, project = PLACE, PLACE[1]
    family = "ubuntu-accel-2204-amd64-tpu-v5e-v5p-v6e"
    assert cloud.calls() == [
        ["projects", "describe", "my-project", "--format=value(lifecycleState)"],
        [
            *("services", "list", "--enabled", project),
            *("--filter=config.name=compute.googleapis.com", "--format=value(config.name)"),
        ],
        [
            *("compute", "machine-types", "describe", "ct6e-standard-8t", *place),
            "--format=value(name)",
        ],
        [
            *("compute", "images", "describe-from-family", family),
            *("--project=ubuntu-os-accelerator-images", "--format=value(name)"),
        ],
        [
            *("beta", "quotas", "info", "describe", "PREEMPTIBLE-TPU-V6E-per-project-region"),
            *("--service=compute.googleapis.com", project, "--format=json"),
        ],
        ["storage", "ls", "gs://data/tfds"],
        ["storage", "buckets", "describe", "gs://mine", "--format=json"],
    ]


def test_the_questions_to_the_cloud_tpu_api(cloud, capsys):
    findings(capsys, *V3)
    tpus = [call for call in cloud.calls() if call[:2] == ["compute", "tpus"]]
    vm, there = ("compute", "tpus", "tpu-vm"), (*PLACE, "--format=value(name)")
    assert tpus == [
        [*vm, "accelerator-types", "describe", "v3-8", *there],
        [*vm, "versions", "describe", "tpu-ubuntu2204-base", *there],
    ]


DENIED = "ERROR: [me] does not have permission to access projects instance (or it may not exist)"
REFUSALS = {
    "project": (["projects describe"], DENIED, r"`project` must be an active .*'my-project'"),
    "API": (["services list"], None, r"must have compute.googleapis.com enabled.*'my-project'"),
    "zone": (["machine-types"], "was not found", r"offers v6e-8. Received: zone='us-central1-a'"),
    "runtime": (["describe-from-family"], "was not found", r"exists there. Received: runtime="),
    "quota": (["quotas"], limit("", 4)["out"], r"allow the 8 chips of a v6e-8.*V6E.*=4"),
    "data": (
        ["storage ls"],
        "matched no objects",
        r"prepared data. Received: data_dir='gs://data/",
    ),
    "bucket": (["buckets describe"], "404: not found", r"exist. Received: bucket='gs://mine/runs'"),
}


def rule(when, said):
    failing = said is not None and not said.startswith("{")
    return {"when": when, "times": 9, "err" if failing else "out": said or "", "code": int(failing)}


@pytest.mark.parametrize("subject", REFUSALS)
def test_what_is_wrong_is_refused_and_nothing_is_created(cloud, capsys, subject):
    when, said, message = REFUSALS[subject]
    cloud.tell([rule(when, said)])
    found, code = findings(capsys, *V6E, "--spot", *TRAINING)
    verdict, text = found[subject]
    assert (verdict, code) == ("refused", 3)
    with pytest.raises(SystemExit) as caught:
        tpu_vm.main(["create", "my-tpu", *PLACE, *V6E, "--spot", *TRAINING])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "tpu_vm: " in line]
    assert caught.value.code == 3 and line == f"tpu_vm: {text}"
    assert re.search(message, line)
    assert cloud.changes() == []


@pytest.mark.parametrize(
    ("arguments", "subject", "message"),
    [
        (["--experiment=imagenet_resnet50_evonorm_s9"], "experiment", "Did you mean"),
        (["--layer=evonorm_s9"], "layer", "norm_act='evonorm_s9'"),
        (["--layer=x.json"], "layer", "`layer`: there is no file x.json"),
        (["--data_dir=data"], "addresses", "data_dir='data'"),
        (["--bucket=gs://"], "addresses", "bucket='gs://'"),
        (["--runtime=tpu-vm-tf-1.15.0-pjrt"], "type", "must match the installed TensorFlow"),
    ],
)
def test_names_are_checked_without_gcloud(cloud, capsys, arguments, subject, message):
    found, code = findings(capsys, *V3, "--dry_run", *arguments)
    verdict, text = found[subject]
    assert (verdict, code) == ("refused", 3) and message in text
    with pytest.raises(SystemExit) as caught:
        tpu_vm.main(["create", "my-tpu", *PLACE, *V3, *arguments])
    assert caught.value.code == 3
    assert cloud.calls() == []


def test_several_things_are_said_at_once(cloud, capsys):
    with pytest.raises(SystemExit):
        tpu_vm.main(["create", "my-tpu", *PLACE, *V3, "--layer=x", "--experiment=y"])
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(
    ("when", "said", "subject"),
    [
        (["services list"], "PERMISSION_DENIED: no", "API"),
        (["quotas"], "ERROR: Invalid choice: 'quotas'.", "quota"),
        (["buckets describe"], "403: no permission (or it may not exist)", "bucket"),
        (["quotas"], "{}", "quota"),
    ],
)
def test_what_gcloud_cannot_say_is_a_warning(cloud, capsys, when, said, subject):
    cloud.tell([rule(when, said)])
    found, code = findings(capsys, *V6E, *TRAINING)
    verdict, text = found[subject]
    assert (verdict, code) == ("warning", 0) and text.startswith("not checked: ")


def test_a_base_image_that_gcloud_does_not_list_is_a_warning(cloud, capsys):
    cloud.tell([rule(["versions describe"], "NOT_FOUND")])
    found, code = findings(capsys, "--type=v5e-8")
    assert (found["runtime"][0], code) == ("warning", 0)


def test_a_bucket_elsewhere_is_a_warning_and_the_tpu_is_created(cloud, capsys):
    cloud.tell([{"when": ["buckets describe"], "out": '{"location": "EUROPE-WEST4"}'}])
    tpu_vm.main(["create", "my-tpu", *PLACE, *V6E, "--bucket=gs://mine"])
    said = capsys.readouterr().err
    assert "bucket: gs://mine is in europe-west4, not in us-central1: traffic costs" in said
    assert [call[:3] for call in cloud.changes()] == [["compute", "instances", "create"]]


def test_the_table_for_people(cloud, capsys):
    tpu_vm.main(["doctor", *PLACE, *V3])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["type", "ok", "v3-8", "by", "the", "API", "tpu"]
    assert [line.split()[0] for line in lines[1:]] == ["project", "API", "zone", "runtime", "quota"]


def test_without_gcloud_the_doctor_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit):
        tpu_vm.main(["doctor", *PLACE, *V3])
    assert "gcloud is not installed" in capsys.readouterr().err


def entry(value, places=None, **dimensions):
    details = {} if value is None else {"value": value}
    return {"dimensions": dimensions, "details": details, "applicableLocations": places}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry("8", region="us-central1", tpu_family="CT6E")], 8),
        ([entry("8", region="us-central1", tpu_family="CT3")], None),
        ([entry("8", region="europe-west4", tpu_family="CT6E")], None),
        ([entry("8", ["europe-west4"]), entry("16", ["us-central1"])], 16),
        ([entry("0"), entry("32", region="us-central1")], 32),  # the default comes last
        ([entry(None, region="us-central1"), entry("4")], 4),
        ([entry("-1")], -1),
        ([], None),
    ],
)
def test_the_limit_is_that_of_the_place_and_the_family(cloud, entries, expected):
    answer = json.dumps({"dimensionsInfos": entries})
    cloud.tell([{"when": ["quotas info describe"], "out": answer}])
    (quota,) = quotas.quotas_for(accelerators.parse_type("v6e-8"), "compute", spot=False)
    gcloud = Gcloud("my-tpu", "us-central1-a", "my-project")
    assert quotas.limit_of(quota, gcloud, "my-project") == expected
