"""Reranking: splits, resuming and the order, with a tiny network on a small ImageNet."""

import pathlib
import shutil
import types

import pytest
import yaml

import evonorm_tf as en
from tests.trainers import (
    tfds_data,
    tiny,  # noqa: F401  (makes the network known)
)
from trainers import rerank
from trainers.data import inputs
from trainers.engine import parameters
from trainers.errors import TrainersError, TrainingDivergedError
from trainers.experiments import EXPERIMENTS, imagenet
from trainers.experiments.catalogue import RERANKING, reranking_experiment

EVONORM_S0 = pathlib.Path(en.__file__).parent / "graphs/evonorm_s0.json"
NETWORKS = ["resnet50", "mobilenet_v2"]


def given(override=""):
    """The flags that change an experiment."""
    names = {"config_file": None, "tpu": None, "tf_data_service": None}
    return types.SimpleNamespace(**names, params_override=override)


def settings_of(data_dir):
    """Two steps of the tiny network."""
    data = {"global_batch_size": 4, "data_dir": data_dir}
    steps = ("train_steps", "checkpoint_interval", "validation_interval")
    settings = {
        "task": {
            "model": {"network": "tiny", "input_size": [32, 32, 3]},
            "train_data": data,
            "validation_data": data,
        },
        "runtime": {"mixed_precision_dtype": "float32"},
        "trainer": dict.fromkeys(steps, 2) | {"steps_per_loop": 1, "summary_interval": 1},
    }
    return given(yaml.safe_dump(settings, default_flow_style=True))


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The flags for trainings of two steps on a small ImageNet."""
    folder = tmp_path_factory.mktemp("tfds")
    tfds_data.prepare_imagenet(folder)
    return settings_of(str(folder))


@pytest.mark.parametrize("network", RERANKING)
def test_nine_tenths_train_and_one_tenth_scores(network, tmp_path):
    tfds_data.prepare_imagenet(tmp_path)
    params = EXPERIMENTS[reranking_experiment(network)].build()
    parameters.check(params)
    assert params.task.model.network == network
    labels = []
    for data in (params.task.train_data, params.task.validation_data):
        data.data_dir, data.global_batch_size, data.is_training = str(tmp_path), 4, False
        batches = inputs.build_inputs(data, params.task.model).as_numpy_iterator()
        labels.append({int(x) for batch in batches for x in batch[1][batch[2] > 0]})
    assert [len(of_split) for of_split in labels] == [22, 2]
    assert not labels[0] & labels[1]


def test_the_settings_are_those_of_the_whole_data_set():
    pairs = {
        "resnet50": imagenet.resnet50("evonorm_b0"),
        "mobilenet_v2": imagenet.mobile("mobilenet_v2", "evonorm_b0"),
        "efficientnet_b0": imagenet.efficientnet("efficientnet_b0", "evonorm_b0", 224, 4096),
    }
    assert list(pairs) == list(RERANKING)
    for network, whole in pairs.items():
        whole.task.train_data.split, whole.task.validation_data.split = "train[:90%]", "train[90%:]"
        found = rerank.configuration(network, "evonorm_b0", given())
        assert found.as_dict() == whole.as_dict()


@pytest.mark.slow
def test_trainings_are_scored_once_and_resumed(short, tmp_path, monkeypatch):
    graph = str(tmp_path / "found.json")
    shutil.copy(EVONORM_S0, graph)
    layers, output = {"frn": "frn", "found": graph}, str(tmp_path / "rerank")
    calls = []
    run = rerank.train.run

    def recorded(params, mode, folder):
        calls.append((params.task.model.norm_act, mode, folder))
        return run(params, mode, folder)

    monkeypatch.setattr(rerank.train, "run", recorded)
    first = rerank.rerank(layers, ["resnet50"], output, short)
    assert calls == [
        (layer, "train_and_eval", f"{output}/resnet50/{name}") for name, layer in layers.items()
    ]
    assert parameters.load(f"{output}/resnet50/found/params.yaml").task.model.norm_act == graph
    assert all(0 <= scores["resnet50"] <= 1 for scores in first.values())

    calls.clear()
    assert rerank.rerank(layers, ["resnet50"], output, short) == first
    assert calls == []
    shutil.rmtree(f"{output}/resnet50/found/validation")  # as if killed before its evaluation
    assert rerank.rerank(layers, ["resnet50"], output, short) == first
    assert [(layer, mode) for layer, mode, _ in calls] == [
        (graph, "train_and_eval"),
        (graph, "eval"),
    ]
    with pytest.raises(TrainersError, match=r"holds another model: norm_act='frn'"):
        rerank.rerank({"frn": "gn_relu"}, ["resnet50"], output, short)


def test_the_mean_ranks_and_a_layer_that_diverges_comes_last(tmp_path, monkeypatch, capsys):
    accuracies = {
        ("bn_relu", "resnet50"): 0.5,
        ("bn_relu", "mobilenet_v2"): 0.7,
        ("random", "resnet50"): 0.9,
        ("evonorm_b0", "resnet50"): 0.75,
        ("evonorm_b0", "mobilenet_v2"): 0.5,
    }

    def trained(params, mode, folder):
        network = folder.split("/")[-2]
        try:
            return {"accuracy": accuracies[params.task.model.norm_act, network]}
        except KeyError:
            raise TrainingDivergedError("not finite at step 3", 3, None) from None

    monkeypatch.setattr(rerank.train, "run", trained)
    layers = {name: name for name in ("random", "bn_relu", "evonorm_b0")}
    scores = rerank.rerank(layers, NETWORKS, str(tmp_path), given())
    assert rerank.ranked(scores) == ["evonorm_b0", "bn_relu", "random"]
    assert rerank.table(scores, NETWORKS).splitlines() == [
        "| rank | layer | resnet50 | mobilenet_v2 | mean |",
        "| ---: | --- | ---: | ---: | ---: |",
        "| 1 | evonorm_b0 | 75.00 | 50.00 | 62.50 |",
        "| 2 | bn_relu | 50.00 | 70.00 | 60.00 |",
        "| 3 | random | 90.00 | - | - |",
    ]
    assert "  not finite at step 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task.model.depht=3", r"`task\.model` has no key 'depht'"),
        ("runtime.distribution_strategy=multi_worker_mirrored", r"must not be 'multi_worker"),
    ],
)
def test_settings_that_cannot_be_used_are_errors(override, message):
    with pytest.raises(TrainersError, match=message):
        rerank.configuration("resnet50", "frn", given(override))
