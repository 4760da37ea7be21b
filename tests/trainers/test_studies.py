"""Studies: trainings as the engine's, resuming, statistics, tables and figures."""

import dataclasses
import json
import math

import pytest
import tensorflow as tf
from scipy import stats

from tests.trainers import tiny  # noqa: F401  (makes the network known)
from trainers import study as command
from trainers import train
from trainers.classification import evaluate
from trainers.errors import TrainersError
from trainers.experiments import digits
from trainers.studies import estimates, figure, journal, report
from trainers.studies.catalogue import STUDIES
from trainers.studies.study import Cell, Study

STUDY = Study(
    title="A test",
    baseline="bn_relu",
    layers=("bn_relu", "evonorm_b0"),
    networks=("tiny",),
    settings={"8": {"batch_size": 8}, "16": {"batch_size": 16}},
    settings_title="images a step",
    seeds=2,
    config="digits",
    changes=[("16", "8")],
    shown=("evonorm_b0",),
)
ONE = dataclasses.replace(STUDY, layers=("evonorm_b0",), settings={"8": {"batch_size": 8}})


def run(layer, setting, seed, accuracy, first_bad_step=0):
    return {
        "network": "tiny",
        "layer": layer,
        "setting": setting,
        "seed": seed,
        "accuracy": accuracy,
        "first_bad_step": first_bad_step,
    }


RUNS = [
    *(run("bn_relu", "8", seed, score) for seed, score in enumerate((0.5, 0.7))),
    *(run("evonorm_b0", "8", seed, score) for seed, score in enumerate((0.6, 0.9))),
    *(run("evonorm_b0", "16", seed, score, 3) for seed, score in enumerate((0.1, 0.2))),
]


@pytest.fixture
def short(monkeypatch):
    """Trainings of four steps."""
    config = digits.config

    def shortened(layer, batch_size, network):
        params = config(layer, batch_size, network)
        params.trainer.train_steps = params.trainer.steps_per_loop = 4
        params.trainer.optimizer_config.warmup.linear.warmup_steps = 1
        return params

    monkeypatch.setattr(digits, "config", shortened)


@pytest.mark.slow
def test_a_study_trains_as_the_engine_does(short, tmp_path):
    command.run("one", ONE, tmp_path)
    first, second = journal.read(tmp_path / "one.jsonl")
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["training_loss"] != second["training_loss"]
    assert "`evonorm_b0`" in (tmp_path / "one.md").read_text(encoding="utf-8")

    params = digits.config("evonorm_b0", 8, "tiny")
    params.task.seed = params.task.train_data.seed = 1
    params.trainer.checkpoint_interval = params.trainer.validation_interval = 4
    params.trainer.summary_interval = 4
    folder = str(tmp_path / "engine")
    train.run(params, "train", folder)
    assert tf.train.latest_checkpoint(folder).endswith("ckpt-4")
    assert evaluate.evaluate(folder, split="test")["accuracy"] == pytest.approx(second["accuracy"])


def test_only_missing_trainings_are_run(tmp_path, monkeypatch):
    path = tmp_path / "two.jsonl"
    for finished in RUNS[:3]:
        journal.append(path, finished)
    asked = []

    def trained(study, cell, seeds):
        asked.append((cell.layer, cell.setting, seeds))
        yield from (run(cell.layer, cell.setting, seed, 0.5) for seed in seeds)

    monkeypatch.setattr(command.training, "train", trained)
    command.run("two", STUDY, tmp_path, layers=("bn_relu",), minutes=0)
    assert asked == []
    command.run("two", STUDY, tmp_path, layers=("evonorm_b0",))
    assert asked == [("evonorm_b0", "8", [1]), ("evonorm_b0", "16", [0, 1])]
    command.run("two", STUDY, tmp_path)
    assert asked[2:] == [("bn_relu", "16", [0, 1])]
    command.run("two", STUDY, tmp_path)
    assert len(asked) == 3
    assert journal.read(path)[:3] == RUNS[:3]


def test_some_layers_have_more_seeds():
    study = dataclasses.replace(STUDY, more_seeds={"evonorm_b0": 4})
    assert study.missing(Cell("tiny", "evonorm_b0", "8"), RUNS) == [2, 3]
    assert study.missing(Cell("tiny", "bn_relu", "8"), RUNS) == []
    assert study.missing(Cell("tiny", "bn_relu", "16"), RUNS) == [0, 1]


def test_the_tables_have_intervals_tests_and_what_diverged():
    text = report.text(STUDY, RUNS)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    t = stats.t.ppf(0.975, 1)
    of_b0 = t * 0.3 * 100 / math.sqrt(2) / math.sqrt(2)
    assert rows[0] == f"| `bn_relu` | 60.0 ± {t * 10:.1f} | - |"
    assert rows[1].startswith(f"| `evonorm_b0` | 75.0 ± {of_b0:.1f} | 15.0 ± ")
    assert rows[1].endswith(", 2 of 2 not finite |")
    # +10 and +20 points.
    p = 2 * stats.t.sf(15 / 5, 1)
    assert rows[2] == f"| `evonorm_b0` | +15.0 ± {t * 5:.1f}, p {p:.2g} | - |"
    welch = stats.ttest_ind([60, 90], [10, 20], equal_var=False)
    assert rows[4].startswith("| `evonorm_b0` | +60.0 ± ")
    assert rows[4].endswith(f", p {welch.pvalue:.2g} |")


def test_a_single_seed_has_no_interval():
    assert "| `bn_relu` | 50.0 (one seed) | - |" in report.text(STUDY, RUNS[:1])
    assert estimates.paired({0: 1.0}, {0: 2.0}) is None
    assert estimates.independent([1.0], [1.0, 2.0]) is None


def test_an_interval_has_the_true_mean_as_often_as_it_says():
    generator = tf.random.Generator.from_seed(0)
    draws = generator.normal((2000, 3), mean=5.0, stddev=2.0).numpy().tolist()
    covered = [abs(found.value - 5.0) < found.half_width for found in map(estimates.mean, draws)]
    assert 0.935 < sum(covered) / len(covered) < 0.965


def test_estimates_of_equal_values():
    assert estimates.mean([2.0, 2.0]) == estimates.Estimate(2.0, 0.0, 0.0)
    assert estimates.paired({0: 2.0, 1: 3.0}, {0: 2.0, 1: 3.0}) == estimates.Estimate(0.0, 0.0, 1.0)
    assert estimates.independent([2.0, 2.0], [3.0, 3.0]) == estimates.Estimate(-1.0, 0.0, 0.0)


def test_holm():
    assert estimates.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert estimates.holm([0.9, 0.8]) == [1.0, 1.0]
    assert estimates.holm([]) == []


@pytest.mark.parametrize("shown", [(), ("evonorm_b0",)])
def test_the_figure(shown, tmp_path):
    study = dataclasses.replace(STUDY, shown=shown, networks=("tiny", "resnet_small"))
    figure.draw(study, RUNS, tmp_path / "study.png")
    height, width, _ = tf.io.decode_png((tmp_path / "study.png").read_bytes()).shape
    assert height > 300 and width > 2 * height


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", "line 2 is no training: 'network' must be str"),
        (json.dumps({**RUNS[0], "seed": "1"}), "'seed' must be int"),
    ],
)
def test_a_broken_journal_is_named(line, message, tmp_path):
    path = tmp_path / "study.jsonl"
    journal.append(path, RUNS[0])
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(TrainersError, match=message):
        journal.read(path)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_configurations(name):
    study = STUDIES[name]
    assert study.baseline in study.layers and set(study.shown) <= set(study.layers)
    assert set(study.more_seeds) <= set(study.layers)
    assert {end for change in study.changes for end in change} <= set(study.settings)
    for cell in study.cells():
        params = digits.config(cell.layer, network=cell.network, **study.settings[cell.setting])
        assert params.task.model.norm_act == cell.layer
