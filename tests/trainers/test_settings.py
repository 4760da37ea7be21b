"""Configurations: settings, files and errors, with and without tf-models-official."""

import pytest
import yaml

from tests.trainers.official import needs_official
from trainers.errors import TrainersError
from trainers.experiments import EXPERIMENTS
from trainers.platform import configs
from trainers.platform.own import config as own

EXPERIMENT = EXPERIMENTS["digits_resnet_small_frn"]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("task.seed=7", "task.seed", 7),
        ("task.losses.weight_decay=1e-3", "task.losses.weight_decay", 1e-3),
        ("{task: {losses: {weight_decay: 0.5}}}", "task.losses.weight_decay", 0.5),
        ("task.model.input_size=[4,4,1],task.seed=1", "task.model.input_size", [4, 4, 1]),
        ("task.model.norm_act='bn_relu'", "task.model.norm_act", "bn_relu"),
        ("task.model.dropout=null", "task.model.dropout", None),
        (
            "trainer.optimizer_config.ema.start_step=5",
            "trainer.optimizer_config.ema.name",
            "ExponentialMovingAverage",
        ),
    ],
)
def test_settings_reach_their_fields(text, path, expected):
    value = configs.override(EXPERIMENT.build(), text)
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected


@pytest.mark.parametrize("text", ["task.colour=1", "tasks.seed=1", "{_locked: true}"])
def test_unknown_keys_are_errors(text):
    with pytest.raises(KeyError):
        configs.override(EXPERIMENT.build(), text)


def test_a_file_gives_the_configuration_back(tmp_path):
    params = EXPERIMENT.build()
    params.trainer.optimizer_config.ema = {"average_decay": 0.5}
    params.task.losses.weight_decay = 1e-7
    path = str(tmp_path / "params.yaml")
    configs.save(params, path)
    assert "input_size: [8, 8, 1]" in (tmp_path / "params.yaml").read_text(encoding="utf-8")
    assert configs.override(EXPERIMENT.build(), path).as_dict() == params.as_dict()


def test_copies_are_independent_and_not_locked():
    params = EXPERIMENT.build()
    params.lock()
    with pytest.raises(ValueError, match="locked"):
        params.kind = "other"
    changed = params.replace(task={"seed": 3})
    changed.kind = "other"
    assert (params.task.seed, changed.task.seed) == (0, 3)
    changed.task.train_data = params.task.validation_data
    changed.task.train_data.split = "elsewhere"
    assert params.task.validation_data.split == "validation"


def test_a_choice_shows_what_is_chosen_alone():
    config = configs.OptimizationConfig({"optimizer": {"type": "adam"}})
    assert [*config.as_dict()["optimizer"]] == ["type", "adam"]
    assert config.optimizer.get().beta_2 == 0.999
    assert config.warmup.get() is None
    config.optimizer.type = "none"
    with pytest.raises(ValueError, match="none"):
        config.optimizer.get()


def test_elements_by_index_are_an_error_of_our_own():
    config = own.OneOfConfig()
    with pytest.raises(TrainersError, match=r"give a whole list, NAME=\[\.\.\.\].*'type\[0\]=1'"):
        own.override(config, "type[0]=1")


@needs_official
def test_files_of_both_are_equal(tmp_path):
    from official.core.config_definitions import TrainerConfig

    from trainers.platform.own import experiment_config

    for config, save in (
        (TrainerConfig(), configs.save),
        (experiment_config.TrainerConfig(), own.save),
    ):
        config.optimizer_config.optimizer.type = "sgd"
        save(config, str(tmp_path / type(config).__module__))
    first, second = (path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert first == second
    assert yaml.safe_load(first)["optimizer_config"]["optimizer"]["sgd"]["momentum"] == 0.0
