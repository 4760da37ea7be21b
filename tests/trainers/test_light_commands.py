"""Help, lists and errors in the arguments come without TensorFlow, that is at once."""

import re

import pytest

from tests.without_tensorflow import answers
from trainers.experiments import keys

FRN = "--experiment=digits_resnet_small_frn"
TRAIN = f"trainers.train {FRN} --mode=train --model_dir=x"
USAGE = "FATAL Flags parsing error"
# Flags by command; those of absl and of others are not shown.
HELP = {
    "trainers.train": (
        "[no]dry_run config_file experiment mode model_dir params_override tf_data_service tpu"
    ),
    "trainers.evaluate": "checkpoint data_dir model_dir split",
    "trainers.predict": "checkpoint model_dir top",
    "trainers.export": "checkpoint export_dir model_dir",
    "trainers.results": "output_dir",
    "trainers.experiments": "[no]commands match",
    "trainers.rerank": "config_file networks output_dir params_override tf_data_service tpu",
    "trainers.study": "layers minutes output_dir",
    "trainers.experiments.write_keys": "",
    "trainers.gan.sample": "checkpoint model_dir output rows truncation",
    "trainers.gan.export": "checkpoint export_dir model_dir truncation",
    "trainers.gan.real_scores": "upsampling",
    "trainers.detection.export": "checkpoint export_dir model_dir",
    "trainers.detection.draw": "output",
    "trainers.detection.shapes": "output_dir",
    "trainers.detection.summary": "",
    "trainers.models.summary": "csv help networks",
    "trainers.models.import_timm": "help",
}
# Commands that end with status 1 or 2, and what they say. {} is a folder of model folders.
ERRORS = {
    "trainers.train": rf"{USAGE}.*--experiment must have.*--mode must.*--model_dir must",
    f"{TRAIN} --modle=x": rf"{USAGE}: Unknown command line flag 'modle'.*mode",
    f"trainers.train {FRN} --model_dir=x --mode=try": r"mode=try.*train\|eval\|train_and_eval",
    "trainers.train --experiment=digits_resnet_smal_frn --mode=eval --model_dir=x": (
        r"`experiment` must be .*Did you mean 'digits_resnet_small_frn'\?.*='digits_resnet_smal_f"
    ),
    f"{TRAIN} --params_override=task.model.norm_ac=frn": (
        r"^trainers\.train: the configuration cannot be used: `task\.model` has no key "
        r"'norm_ac'\. Did you mean 'norm_act'\? Its keys are dropout, groups, .*width\.$"
    ),
    f"{TRAIN} --params_override={{task:{{losses:{{smoothing:0}}}}}}": r"`task\.losses` has no key",
    f"{TRAIN} --params_override=tasks.model=1": r"the experiment has no key 'tasks'.*'task'",
    f"{TRAIN} --params_override=nowhere.yaml": r"cannot be used: nowhere\.yaml; No such file",
    f"{TRAIN} --params_override=kind={{": r"the configuration cannot be used: .*line 1",
    f"{TRAIN} --config_file=nowhere.yaml": r"cannot be used: nowhere\.yaml; No such file",
    f"{TRAIN} --config_file={{}}": r"cannot be used: /.*; Is a directory",
    f"{TRAIN} --config_file={{}}/broken.yaml": r"cannot be used: .*line 2, column 1",
    f"{TRAIN} --config_file={{}}/empty.yaml": r"empty\.yaml has no settings",
    f"{TRAIN} --config_file={{}}/right.yaml --config_file={{}}/wrong.yaml": (
        r"`trainer` has no key 'train_step'\. Did you mean 'train_steps'\?"
    ),
    f"{TRAIN} --tf_data_service=grpc://host:1": r"no key 'tf_data_service_address'",
    "trainers.experiments --match=nothing_like_it": "no experiment's name contains",
    "trainers.experiments --mach=frn": rf"{USAGE}: Unknown .*'mach'",
    "trainers.evaluate": rf"{USAGE}.*--model_dir must have a value",
    "trainers.evaluate --model_dir={}/none": r"none/params\.yaml is no configuration.*No such file",
    "trainers.evaluate --model_dir={}/broken": r"broken/params\.yaml is no configuration",
    "trainers.evaluate --model_dir={}/gan": r"an experiment of classification, not of gan",
    "trainers.evaluate --model_dir={}/untrained": r"holds no checkpoint.*untrained",
    "trainers.predict --model_dir={}/trained": r"^trainers\.predict: name at least one image file$",
    "trainers.predict --model_dir={}/trained a.png": r"a\.png cannot be read as an image: a\.png",
    "trainers.predict --model_dir={}/trained --top=x a.png": rf"{USAGE}: flag --top=x",
    "trainers.export --model_dir={}/trained": rf"{USAGE}.*--export_dir must have a value",
    "trainers.export --model_dir={}/none --export_dir=x": r"none/params\.yaml is no configuration",
    "trainers.results": r"^trainers\.results: name at least one model folder$",
    "trainers.results {}/trained {}/none": r"none/params\.yaml is no configuration",
    "trainers.gan.sample --model_dir={}/gan --output={}/wrong.yaml": r"`output` exists already",
    "trainers.gan.sample --model_dir={}/gan --output=x.png --rows=0": r"`rows` must be.*rows=0",
    "trainers.gan.sample --model_dir={}/trained --output=x.png": r"of gan, not of classification",
    "trainers.gan.export --model_dir={}/gan --export_dir=x": r"holds no checkpoint.*gan",
    "trainers.rerank --output_dir=x": r"^trainers\.rerank: name at least one layer$",
    "trainers.rerank frn": rf"{USAGE}.*--output_dir must have a value",
    "trainers.rerank frn frn --output_dir=x": r"two layers have the name 'frn': frn and frn",
    "trainers.rerank fnr --output_dir=x": r"or one of .*norm_act='fnr'",
    "trainers.rerank frn --output_dir=x --networks=vgg": r"`networks` must be of resnet50, .*'vgg'",
    "trainers.rerank frn --output_dir=x --params_override=task.model.norm_ac=1": (
        r"`task\.model` has no key 'norm_ac'"
    ),
    "trainers.study": r"^trainers\.study: name at least one study of digits_batch_sizes, ",
    "trainers.study digits": r"there is no study 'digits'; there are digits_batch_sizes, ",
    "trainers.study digits_batch_sizes --layers=bn": r"sizes has no layer 'bn'; it has bn_relu, ",
    "trainers.study digits_batch_sizes --minutes=-1": rf"{USAGE}: flag --minutes=-1",
    "trainers.gan.real_scores --upsampling=0": r"`upsampling` must be at least 1.*upsampling=0",
    "trainers.detection.export --model_dir={}/gan --export_dir=x": r"of maskrcnn, not of gan",
    "trainers.detection.draw --output=x.png": r"name at least one model folder",
    "trainers.detection.draw --output=x.png {}/gan": r"of maskrcnn, not of gan",
    "trainers.detection.shapes --output_dir={}": r"`output_dir` must not have .*test\.tfrecord yet",
    "trainers.models.summary --networks alexnet": r"invalid choice: 'alexnet' .*'resnet_small'",
    "trainers.models.import_timm a.npz b.keras": r"must end in \.safetensors.*Received: a\.npz",
    "trainers.models.import_timm a.pth b.keras": r"there is no file a\.pth",
}
# Arguments without a visible error reach the work itself, which is not possible here.
RIGHT = (
    TRAIN,
    f"{TRAIN} --config_file={{}}/right.yaml --params_override=task.model.norm_act=x,task.seed=2",
    f"{TRAIN} --config_file=gs://bucket/some.yaml --params_override=any=1",
    f"{TRAIN} --params_override=trainer.optimizer_config.ema.any=1",  # nothing is there
    f"{TRAIN} --params_override=trainer=null --config_file={{}}/right.yaml",
    "trainers.evaluate --model_dir={}/trained",
    "trainers.evaluate --model_dir={}/untrained --checkpoint=some",
    "trainers.evaluate --model_dir=gs://bucket/model",
    "trainers.results {}/trained {}/untrained",
    "trainers.detection.shapes --output_dir={}/gan",
    "trainers.models.summary --networks resnet_small",
    "trainers.rerank frn bn_relu --output_dir=x --networks=resnet50",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Configuration files and model folders, as far as the checks read them."""
    folder = tmp_path_factory.mktemp("light")
    files = {
        "right.yaml": "task: {seed: 3}\ntrainer: {train_steps: 1}\n",
        "wrong.yaml": "trainer: {train_step: 1}\n",
        "broken.yaml": "task: [\n",
        "empty.yaml": "",
        "test.tfrecord": "",
        "trained/params.yaml": "task: {}\n",  # from before there were kinds
        "trained/checkpoint": "",
        "untrained/params.yaml": "kind: classification\n",
        "gan/params.yaml": "kind: gan\n",
        "broken/params.yaml": "- task\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def answer(folder):
    """The answers by command line, all from one process."""
    lines = [*(f"{command} --help" for command in HELP), *ERRORS, *RIGHT, "trainers.experiments"]
    commands = [line.replace("{}", str(folder)).split() for line in lines]
    return dict(zip(lines, answers(commands), strict=True))


@pytest.mark.parametrize("command", HELP)
def test_help_shows_what_the_command_does_and_its_flags(answer, command):
    status, text = answer[f"{command} --help"]
    assert status == 0, text
    # argparse shows its flags in lines like "  -h, --help  show this".
    flags = re.findall(r"^  (?:-h, )?--(\S+?)(?::| |$)", text, re.MULTILINE)
    assert sorted(flags) == sorted(HELP[command].split())
    assert command in text


@pytest.mark.parametrize("line", ERRORS)
def test_errors_in_the_arguments(answer, line):
    if "no key" in ERRORS[line] and not keys.snapshot_of("digits_resnet_small_frn"):
        pytest.skip("the keys are known for another tf-models-official")
    status, text = answer[line]
    assert status in (1, 2)
    assert "Traceback" not in text
    assert re.search(ERRORS[line], text.strip(), re.DOTALL), text


@pytest.mark.parametrize("line", RIGHT)
def test_work_begins_after_the_checks(answer, line):
    status, text = answer[line]
    assert status == 1
    assert re.search(r"ImportError: \w+(\.\w+)* is blocked", text), text


def test_the_list_of_experiments(answer):
    status, text = answer["trainers.experiments"]
    assert status == 0
    assert re.search(r"^imagenet_resnet50_evonorm_b0 +table 3: 76\.6 +not yet run$", text, re.M)
    assert "331 experiments" in text
