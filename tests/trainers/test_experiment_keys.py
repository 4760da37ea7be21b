"""What is known without TensorFlow is what tf-models-official says: keys, settings and names."""

import contextlib
import json
import types

import pytest
import yaml

from tests.trainers.official import needs_official
from trainers import keras_choice
from trainers.errors import TrainersError
from trainers.experiments import EXPERIMENTS, arguments, keys, overrides, write_keys
from trainers.models import classifiers, names, summary
from trainers.platform import configs

FILE = json.loads(keys.FILE.read_text(encoding="utf-8"))
# One of each function that makes configurations.
EXAMPLES = {experiment.build.args[:2]: name for name, experiment in EXPERIMENTS.items()}
of_this_release = pytest.mark.skipif(
    keys.release() not in ("", FILE["release"]),
    reason="the file is of another tf-models-official",
)


@of_this_release
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_file_has_the_keys_of_the_configurations(example):
    name = EXAMPLES[example]
    made_of_official = example[0].rpartition(".")[2] in ("coco", "shapes", "biggan")
    if made_of_official and not keras_choice.has_official():
        pytest.skip("needs tf-models-official")
    assert keys.snapshot_of(name) == keys.tree_of(EXPERIMENTS[name].build()), (
        "run `python -m trainers.experiments.write_keys`"
    )


@needs_official
@of_this_release
@pytest.mark.nightly
def test_the_file_is_what_the_command_writes():
    assert keys.FILE.read_text(encoding="utf-8") == write_keys.text()


def test_the_file_has_all_experiments():
    assert {name for group in FILE["experiments"].values() for name in group} == {*EXPERIMENTS}


def test_nothing_is_known_of_other_releases_and_experiments(monkeypatch):
    monkeypatch.setattr(keys, "release", lambda: FILE["release"])
    assert keys.snapshot_of("digits_resnet_small_frn")
    assert keys.snapshot_of("mine") is None
    monkeypatch.setattr(keys, "release", lambda: "2.15.0")
    assert keys.snapshot_of("digits_resnet_small_frn") is None


@pytest.mark.parametrize(
    "text",
    [
        "a=1",
        "a=1, b.c=2,b.d.e='x,y',b.d.f=[1,2]",
        "a.b=1,a=2",  # the nested one counts
        "a=gs://x/y,b.c=sgd",
        "a.b=,c={d: 1}",
        "{a: {b: [1, 2]}, c: null}",
        '{"a": {"b": 1.5}}',
        "a: 1\nb: {c: 2}",
    ],
)
@needs_official
def test_settings_are_read_as_tf_models_official_reads_them(text):
    from official.modeling.hyperparams import params_dict

    try:
        as_yaml = params_dict.nested_csv_str_to_json_str(text)
    except ValueError:
        as_yaml = text
    assert overrides.read(text) == yaml.load(as_yaml, Loader=yaml.FullLoader)


@pytest.mark.parametrize("text", ["a[0]=1", "a.b[1]=2", "gs://bucket/file.yaml"])
def test_what_only_tensorflow_can_read(text):
    assert overrides.read(text) is None
    overrides.check([text, "anything=1"], {})


@pytest.mark.parametrize(
    ("texts", "key"),
    [
        (["task.model.norm_act=frn,trainer.train_steps=3"], None),
        (["task.model.colour=3"], "colour"),
        (["task: {train_data: {split: x, spilt: y}}"], "spilt"),
        (["trainer.optimizer_config.warmup.linear.step=1"], "step"),
        (["task.losses.label_smoothing=0", "task.losses.anything=1"], "anything"),
        (["{_locked: true}"], "_locked"),
    ],
)
def test_keys_are_refused_where_the_configuration_refuses_them(texts, key):
    params = EXPERIMENTS["digits_resnet_small_frn"].build()
    tree = keys.tree_of(params)
    if key is None:
        overrides.check(texts, tree)
        for text in texts:
            configs.override(params, text)
        return
    with pytest.raises(TrainersError, match=f"has no key '{key}'"):
        overrides.check(texts, tree)
    with pytest.raises(KeyError, match=key):
        for text in texts:
            configs.override(params, text)


@pytest.mark.parametrize(
    "texts",
    [
        ["trainer.optimizer_config.ema.anything=1"],  # None until it is set
        ["task.losses=null", "task.losses.anything=1"],
    ],
)
def test_keys_below_null_are_known_to_the_configuration_alone(texts):
    params = EXPERIMENTS["digits_resnet_small_frn"].build()
    overrides.check(texts, keys.tree_of(params))
    # tf-models-official makes a configuration of any keys; this project's has its own.
    expected = contextlib.nullcontext()
    if not keras_choice.has_official():
        expected = pytest.raises(KeyError, match="'anything' is not a field")
    with expected:
        for text in texts:
            configs.override(params, text)


def test_networks_have_the_names_that_command_lines_know():
    assert tuple(classifiers._classifiers()) == names.TRAINED
    assert tuple(summary.NETWORKS) == names.SUMMARIZED


@pytest.mark.parametrize(
    ("tree", "text"), [({"task": None}, "all keys are right"), (None, "itself checks the keys")]
)
def test_a_dry_run_says_whether_keys_were_checked(tree, text, monkeypatch, capsys):
    given = types.SimpleNamespace(
        experiment="digits_resnet_small_frn",
        dry_run=True,
        config_file=None,
        tf_data_service=None,
        params_override=None,
    )
    monkeypatch.setattr(arguments.flags, "FLAGS", given)
    monkeypatch.setattr(arguments.keys, "snapshot_of", lambda experiment: tree)
    with pytest.raises(SystemExit):
        arguments.check(None)
    assert text in capsys.readouterr().out
