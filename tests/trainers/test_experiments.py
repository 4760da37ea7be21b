"""Every registered experiment is valid; networks and layers trace a step."""

import collections
import pathlib
import re

import pytest
from absl import flags
from absl.testing import flagsaver

from tests.trainers import tiny  # noqa: F401  (makes the network known)
from tests.trainers.official import needs_official
from trainers.classification.config import ExperimentConfig
from trainers.data import digits as data
from trainers.engine import parameters
from trainers.errors import TrainersError
from trainers.experiments import EXPERIMENTS, cifar10, digits, imagenet, parsing, tables
from trainers.experiments import __main__ as listing
from trainers.experiments.registry import Experiment, add, register_all
from trainers.platform import configs as configs_of_both
from trainers.platform import optimizers

GUIDE = pathlib.Path(__file__).parent.parent.parent / "docs/trainers.md"


@pytest.fixture(scope="module")
def configs():
    others = ("coco_", "shapes_", "imagenet_biggan_", "digits_biggan_")
    names = [name for name in EXPERIMENTS if not name.startswith(others)]
    return {name: EXPERIMENTS[name].build() for name in names}


@pytest.mark.slow
def test_every_experiment_is_valid_and_survives_yaml(configs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("yaml")
    seen = {}
    for name, params in configs.items():
        parameters.check(params)
        # Parsing YAML is slow; of equal sizes and settings but for the layer, one is enough.
        kind = str(params.replace(task={"model": {"norm_act": "evonorm_s0"}}).as_dict())
        if kind in seen:
            continue
        seen[kind] = name
        path = str(folder / "params.yaml")
        configs_of_both.save(params, path)
        assert parameters.load(path).as_dict() == params.as_dict(), name
    assert len(seen) >= 20


def test_names_say_what_they_are(configs):
    scheme = re.compile(r"(imagenet|cifar10|digits)_[a-z0-9_]+?(_batch[0-9]+)?")
    for name, params in configs.items():
        match = scheme.fullmatch(name)
        assert match, name
        task = params.task
        assert f"_{task.model.network}_" in name, name
        assert f"_{task.model.norm_act}" in name, name
        if match[2]:
            assert task.train_data.global_batch_size == int(match[2].removeprefix("_batch"))


def test_every_cell_of_the_tables_has_an_experiment():
    counts = collections.Counter(experiment.table for experiment in EXPERIMENTS.values())
    assert counts["table 3"] == 8 * 8
    # Of 6 layers: two settings of ResNet-50 and MobileNetV2, each at 6 batch sizes. In every
    # setting BN-ReLU's largest ResNet is in table 3.
    assert counts["table 4"] == 6 * (2 * 6 + 6) - 2
    assert counts["appendix E"] == 6 * 2 * 2 - 2
    assert counts["table 7"] == 4
    assert counts["table 8"] == 2
    assert EXPERIMENTS["imagenet_resnet50_evonorm_b0"].figure == "76.6"
    assert EXPERIMENTS["imagenet_resnet50_aug_2x_cos_evonorm_s0_batch32"].figure == "78.3"
    assert EXPERIMENTS["imagenet_mobilenet_v2_lr03_bn_relu_batch128"].figure == "66.7"


def documented_cells():
    """Each row of the guide's table: what it is, its layers, and the names of its experiments."""
    row = re.compile(r"\| ([^|]+) \| ([0-9, ]+) \| `([A-Za-z0-9_]+)` \| ([0-9]+) \|")
    for cells, sizes, pattern, number in row.findall(GUIDE.read_text(encoding="utf-8")):
        layers = tables.TABLE_3 if cells.startswith("table 3") else tables.TABLE_4
        names = [
            (layer, int(size), pattern.replace("LAYER", layer).replace("batchN", f"batch{size}"))
            for layer in layers
            for size in sizes.split(", ")
        ]
        assert len(names) == int(number), cells
        yield cells, names


def test_the_guide_lists_the_cells_of_tables_3_and_4():
    listed = set()
    for cells, names in documented_cells():
        for layer, size, name in names:
            params = EXPERIMENTS[name].build()
            assert params.task.train_data.global_batch_size == size, name
            assert params.task.model.norm_act == layer, name
            setting = re.findall("aug|2x|cos", cells)
            assert re.findall("_aug|_2x|_cos", name) == [f"_{part}" for part in setting], name
            listed.add(name)
    shown = ("table 3", "table 4", "appendix E")
    assert listed == {e.name for e in EXPERIMENTS.values() if e.table in shown}


def test_figures_are_those_of_the_papers_columns():
    columns = {
        "imagenet_resnet50_{}": 0,
        "imagenet_resnet50_{}_batch32": 1,
        "imagenet_resnet50_aug_2x_cos_{}": 2,
        "imagenet_resnet50_aug_2x_cos_{}_batch32": 3,
        "imagenet_mobilenet_v2_lr03_{}": 4,
        "imagenet_mobilenet_v2_lr03_{}_batch128": 5,
    }
    for layer, figures in tables.TABLE_4.items():
        found = [EXPERIMENTS[name.format(layer)].figure for name in columns]
        assert found == list(figures), layer
    assert EXPERIMENTS["imagenet_mobilenet_v2_lr03_frn_batch512"].figure == "a point of its figure"
    assert EXPERIMENTS["imagenet_resnet50_aug_2x_gn_relu"].figure == "not in the main text"


@pytest.mark.parametrize("batch_size", tables.MOBILENET_SWEEP)
def test_mobilenets_rate_and_steps_follow_the_batch(batch_size):
    suffix = "" if batch_size == 4096 else f"_batch{batch_size}"
    params = EXPERIMENTS[f"imagenet_mobilenet_v2_lr03_evonorm_s0{suffix}"].build()
    per_epoch = imagenet.TRAIN_IMAGES // batch_size
    assert params.trainer.train_steps == 350 * per_epoch
    settings = params.trainer.optimizer_config
    cosine = settings.learning_rate.cosine
    assert cosine.initial_learning_rate == pytest.approx(0.03 * batch_size / 256)
    assert cosine.decay_steps == params.trainer.train_steps
    assert settings.warmup.linear.warmup_steps == 5 * per_epoch


def test_every_experiment_has_its_record():
    for name, experiment in EXPERIMENTS.items():
        assert experiment.hardware, name
        assert experiment.command in experiment.record
        assert experiment.status in experiment.record


@needs_official
def test_every_experiment_is_registered_with_tf_models_official():
    from official.core import exp_factory

    register_all()
    assert isinstance(exp_factory.get_exp_config("digits_resnet_small_frn"), ExperimentConfig)


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="digits_resnet_small_frn"):
        add(Experiment("digits_resnet_small_frn", ExperimentConfig))


def rates(params, steps):
    rate = optimizers.learning_rate(params.trainer.optimizer_config)
    return [float(rate(step)) for step in steps]


def test_resnet_steps_are_those_of_the_authors_configuration():
    params = imagenet.resnet50("evonorm_b0")
    assert params.trainer.train_steps == 112590  # resnet_config.py: 90 epochs at 1024
    per_epoch = 1251
    steps = [5 * per_epoch // 2, 5 * per_epoch, 30 * per_epoch, 30 * per_epoch + 1]
    assert rates(params, steps) == pytest.approx([0.2, 0.4, 0.4, 0.04], rel=1e-3)
    assert rates(params, [80 * per_epoch + 1]) == pytest.approx([0.0004])
    assert params.task.losses.weight_decay == 1e-4
    assert params.task.losses.label_smoothing == 0.0


def test_twice_as_long_with_cosine_and_randaugment():
    params = imagenet.resnet50("evonorm_b0", 1024, "aug_2x_cos")
    assert params.trainer.train_steps == 225180
    data = params.task.train_data
    assert (data.augment, data.augment_layers, data.augment_magnitude) == ("randaugment", 2, 9)
    assert rates(params, [10 * 1251, 225180]) == pytest.approx([0.397, 0.0], abs=1e-3)


@pytest.mark.parametrize("batch_size", tables.SWEEP)
def test_the_rate_is_scaled_by_the_batch(batch_size):
    params = imagenet.resnet50("evonorm_s0", batch_size)
    after_warmup = 6 * (imagenet.TRAIN_IMAGES // batch_size)
    assert rates(params, [after_warmup]) == pytest.approx([0.1 * batch_size / 256])


def test_efficientnets_average_their_weights():
    params = imagenet.efficientnet("efficientnet_b0", "evonorm_b0", 224, 4096)
    assert params.trainer.optimizer_config.ema.average_decay == 0.9999
    per_epoch = imagenet.TRAIN_IMAGES // 4096
    decays = int(2.4 * imagenet.TRAIN_IMAGES / 4096)
    assert rates(params, [5 * per_epoch, 10 * decays]) == pytest.approx(
        [0.256 * 0.97**2, 0.256 * 0.97**10]
    )


def test_proxies_follow_the_search():
    assert cifar10.uses_batch("evonorm_b0") and not cifar10.uses_batch("evonorm_s0")
    batch, sample = (cifar10.config("resnet50_cifar", f"evonorm_{x}").trainer for x in ("b0", "s0"))
    assert (batch.train_steps, sample.train_steps) == (2000, 5000)
    assert batch.optimizer_config.learning_rate.type == "constant"
    assert sample.optimizer_config.learning_rate.type == "cosine"


def test_the_digits_numbers_are_those_of_the_data():
    found = data.load()
    params = digits.config("frn", 16)
    assert len(found.train) == digits.TRAIN_IMAGES
    assert params.task.model.mean == pytest.approx(found.mean, abs=1e-3)
    assert params.task.model.stddev == pytest.approx(found.stddev, abs=1e-3)


def test_the_list_is_printed(capsys):
    flags.FLAGS(["experiments"])
    with flagsaver.flagsaver(match="b0_no_local", commands=True):
        listing.main(None)
    shown = capsys.readouterr().out
    assert "imagenet_resnet50_b0_no_local" in shown
    assert "table 7: 4.2, 4.1, 4.1" in shown
    assert "--mode=train_and_eval" in shown
    with (
        flagsaver.flagsaver(match="table"),
        pytest.raises(SystemExit, match="no experiment's name contains 'table'"),
    ):
        listing.main(None)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("task.model.network", "vgg", r"task.model.network.*network='vgg'"),
        ("task.model.norm_act", "batchnorm", r"norm_act.*norm_act='batchnorm'"),
        ("task.model.norm_act", "missing.json", r"there is no file missing.json"),
        ("task.model.input_size", [8, 8, 3], r"mean.*input_size=\[8, 8, 3\]"),
        ("trainer.train_steps", 0, r"trainer.train_steps.*train_steps=0"),
        ("trainer.recovery_max_trials", 3, r"trainer.recovery_max_trials.*not read"),
        ("runtime.run_eagerly", True, r"runtime.run_eagerly.*not read"),
        ("task.allow_image_summary", True, r"task.allow_image_summary.*not read"),
        ("kind", "detection", r"kind.*'classification'.*kind='detection'"),
    ],
)
def test_wrong_values_are_errors(path, value, message):
    params = digits.config("frn", 16)
    first, _, last = path.rpartition(".")
    place = params
    for name in filter(None, first.split(".")):
        place = getattr(place, name)
    setattr(place, last, value)
    with pytest.raises(TrainersError, match=message):
        parameters.check(params)


def parsed(experiment, override=None):
    names = {"config_file": None, "tpu": None, "tf_data_service": None}
    return parsing.parse(Flags(names, experiment=experiment, params_override=override))


class Flags(dict):
    """What the parser needs of absl's flags."""

    __getattr__ = dict.__getitem__


def test_overrides_reach_the_configuration_and_lock_it():
    params = parsed("digits_resnet_small_frn", "task.seed=7,trainer.train_steps=3")
    assert (params.task.seed, params.trainer.train_steps) == (7, 3)
    with pytest.raises(ValueError, match="locked"):
        params.override({"task": {"seed": 8}})


@pytest.mark.parametrize(
    ("experiment", "override", "message"),
    [
        ("resnet_imagenet", None, r"experiment='resnet_imagenet'"),  # tf-models-official's own
        ("digits_resnet_small_frn", "task.model.colour=3", r"cannot be used.*colour"),
        ("digits_resnet_small_frn", "missing.yaml", r"cannot be used.*missing\.yaml"),
    ],
)
def test_what_cannot_be_parsed_is_an_error(experiment, override, message):
    with pytest.raises(TrainersError, match=message):
        parsed(experiment, override)
