"""Commands about TPUs come to their help, their errors and gcloud without TensorFlow."""

import re

import pytest

from tests.without_tensorflow import answers

AOT = "tpu_scripts.aot_compile"
VM, WHERE = "tpu_scripts.tpu_vm", "vm --zone=us-central1-a --dry_run"
# Commands with their exit status and what they say.
ANSWERS = {
    f"{AOT} --help": (0, r"--model MODEL.*--topology TOPOLOGY.*--backend.*--json"),
    f"{AOT} --model=resnet50 --layer=frn": (2, r"required: --topology"),
    f"{AOT} --model=resnet50 --layer=frn --topology=v5e:2x2 --batch=0": (2, r"must be at least 1"),
    f"{AOT} --model=resnet50 --layer=frn --topology=v9:1x1": (1, r"^aot_compile: .*='v9:1x1'$"),
    f"{AOT} --model=alexnet --layer=frn --topology=v5e:2x2": (1, r"^aot_compile: .*='alexnet'$"),
    f"{AOT} --model=resnet50 --compare=frn,x --topology=v5e:2x2": (1, r"one of .*norm_act='x'$"),
    f"{AOT} --model=resnet50 --layer=x.json --topology=v5e:2x2": (1, r"there is no file x\.json$"),
    f"{AOT} --model=resnet50 --layer=frn --topology=v5e:2x2": (1, r"ImportError: .* is blocked"),
    f"{AOT} --backend=torch": (2, r"--backend: invalid choice: 'torch' .*tensorflow.*jax"),
    f"{VM} --help": (0, r"doctor .*create .*wait .*status .*run .*copy .*logs .*delete "),
    f"{VM} create --help": (0, r"--type TYPE.*--queued"),
    f"{VM} create {WHERE} --type=v3-7": (1, r"^tpu_vm: the size of a v3 .*type='v3-7'$"),
    f"{VM} create {WHERE} --type=v3-8": (0, r"^\$ gcloud compute tpus tpu-vm create vm "),
    f"{VM} create {WHERE} --type=tpu7x-8": (0, r"^\$ gcloud compute instances create vm "),
    f"{VM} create {WHERE} --type=v3-8 --layer=x": (3, r"^tpu_vm: `layer` .*norm_act='x'$"),
    f"{VM} create {WHERE} --type=v3-8 --experiment=x": (3, r"^tpu_vm: .*experiment='x'$"),
    f"{VM} run {WHERE} -- nproc": (0, r"^\$ gcloud compute tpus tpu-vm ssh vm .*nproc"),
    f"{VM} delete {WHERE}": (0, r"^\$ gcloud compute tpus tpu-vm delete vm "),
    f"{VM} delete vm --zone=us-central1-a": (1, r"^tpu_vm: this deletes vm .*confirm with --yes$"),
}


@pytest.fixture(scope="module")
def answer():
    """The answers by command line, all from one process."""
    return dict(zip(ANSWERS, answers([line.split() for line in ANSWERS]), strict=True))


@pytest.mark.parametrize("line", ANSWERS)
def test_answers(answer, line):
    status, text = answer[line]
    expected, said = ANSWERS[line]
    assert status == expected, text
    assert re.search(said, text.strip(), re.DOTALL), text
