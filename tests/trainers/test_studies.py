"""Studies: trainings as the engine's, resuming, statistics, tables and figures."""

import dataclasses
import functools
import json
import math

import pytest
import tensorflow as tf
from scipy import stats

from tests.tiers import tiered
from tests.trainers import tiny  # noqa: F401  (makes the network known)
from tests.trainers.official import needs_official
from trainers import study as command
from trainers import train
from trainers.classification import evaluate
from trainers.errors import TrainersError
from trainers.experiments import digits
from trainers.studies import estimates, figure, journal, report, training
from trainers.studies.catalogue import STUDIES
from trainers.studies.study import Cell, Score, Study

STUDY = Study(
    title="A test",
    baseline="bn_relu",
    layers=("bn_relu", "evonorm_b0"),
    networks={"tiny": {"network": "tiny"}},
    settings={size: {"batch_size": int(size), "split": "test"} for size in ("8", "16")},
    settings_title="images a step",
    seeds=2,
    config="digits.config",
    changes=[("16", "8")],
    shown=("evonorm_b0",),
)
ONE = dataclasses.replace(
    STUDY, layers=("evonorm_b0",), settings={"8": STUDY.settings["8"]}, changes=()
)
TWO_SCORES = (Score("inception_score", "Inception Score"), Score("mask_AP", "mask AP", True))


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

    def shortened(**arguments):
        params = config(**arguments)
        params.trainer.train_steps = params.trainer.steps_per_loop = 4
        params.trainer.optimizer_config.warmup.linear.warmup_steps = 1
        return params

    monkeypatch.setattr(digits, "config", shortened)


@pytest.mark.slow
def test_a_study_trains_as_the_engine_does(short, tmp_path):
    command.run("one", ONE, tmp_path)
    first, second = journal.read(tmp_path / "one.jsonl", ["accuracy"])
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["training_loss"] != second["training_loss"]
    assert "`evonorm_b0`" in (tmp_path / "one.md").read_text(encoding="utf-8")

    params = digits.config(layer="evonorm_b0", batch_size=8, network="tiny")
    params.task.seed = params.task.train_data.seed = 1
    params.trainer.checkpoint_interval = params.trainer.validation_interval = 4
    params.trainer.summary_interval = 4
    folder = str(tmp_path / "engine")
    train.run(params, "train", folder)
    assert tf.train.latest_checkpoint(folder).endswith("ckpt-4")
    assert evaluate.evaluate(folder, split="test")["accuracy"] == pytest.approx(second["accuracy"])


def gan(folder):
    """A study, and what makes the configuration of a short training of its kind."""
    from tests.trainers.gan import tiny as small_gan

    return STUDIES["digits_gan"], small_gan.config


def detection(folder):
    """The same of Mask R-CNN."""
    from tests.trainers.detection import small as small_detection

    data = small_detection.write(folder / "data")
    return STUDIES["shapes_detection"], functools.partial(small_detection.config, data)


OTHER_TASKS = [(gan, [1]), (detection, [0, 1])]


@needs_official
@pytest.mark.parametrize(("kind", "seeds"), tiered(OTHER_TASKS, slow=OTHER_TASKS[:1]))
def test_a_study_of_another_task_trains_as_the_engine_does(kind, seeds, tmp_path, monkeypatch):
    study, config = kind(tmp_path)
    monkeypatch.setattr(training, "configuration", lambda _, cell: config(cell.layer))
    (setting,), (network,) = study.settings, study.networks
    runs = list(training.train(study, Cell(network, "evonorm_b0", setting), seeds))
    params = config("evonorm_b0")
    params.task.seed = params.task.train_data.seed = 1
    metrics = train.run(params, "train_and_eval", str(tmp_path / "engine"))
    assert [each["seed"] for each in runs] == seeds
    assert len({each["training_loss"] for each in runs}) == len(seeds)
    for key in study.score_keys:
        assert runs[-1][key] == pytest.approx(metrics[key], rel=1e-5)


@needs_official
def test_missing_data_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cell = Cell("Mask R-CNN", "bn_relu", "2")
    with pytest.raises(TrainersError, match=r"runs/shapes/train\.tfrecord"):
        next(training.train(STUDIES["shapes_detection"], cell, [0]))


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
    assert journal.read(path, ["accuracy"])[:3] == RUNS[:3]


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
    # BN-ReLU has one setting alone, so it has no change and no row.
    assert len(rows) == 4
    assert rows[3].startswith("| `evonorm_b0` | +60.0 ± ")
    assert rows[3].endswith(f", p {welch.pvalue:.2g} |")


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


def test_each_score_has_its_tables():
    study = dataclasses.replace(ONE, scores=TWO_SCORES, baseline="evonorm_b0")
    runs = [
        {**run("evonorm_b0", "8", seed, 0.5), "inception_score": 8.5 + seed, "mask_AP": 0.25}
        for seed in (0, 1)
    ]
    lines = report.text(study, runs).splitlines()
    half_width = stats.t.ppf(0.975, 1) * 0.5
    assert lines[0] == "Inception Score of tiny:"
    assert lines[4] == f"| `evonorm_b0` | 9.0 ± {half_width:.1f} |"
    assert "| `evonorm_b0` | 25.0 ± 0.0 |" in lines
    assert "Mask AP of tiny in percent:" in lines
    assert report.scores(study, runs[1]) == "Inception Score 9.5, mask AP 25.0 %"


def test_the_figure_has_a_row_for_each_score(tmp_path):
    runs = [{**each, "inception_score": 3.0, "mask_AP": 0.5} for each in RUNS]
    figure.draw(dataclasses.replace(STUDY, scores=TWO_SCORES), runs, tmp_path / "study.png")
    height, width, _ = tf.io.decode_png((tmp_path / "study.png").read_bytes()).shape
    assert height > width > 600


@pytest.mark.parametrize("shown", [(), ("evonorm_b0",)])
@pytest.mark.parametrize("trained", [("tiny",), ("tiny", "resnet_small")])
def test_report_and_figure_have_the_networks_that_were_trained(shown, trained, tmp_path):
    networks = {"tiny": {}, "resnet_small": {}}
    study = dataclasses.replace(STUDY, shown=shown, networks=networks)
    runs = [{**each, "network": network} for network in trained for each in RUNS]
    text = report.text(study, runs)
    assert [name for name in networks if f"Test accuracy of {name} " in text] == list(trained)
    figure.draw(study, runs, tmp_path / "study.png")
    height, width, _ = tf.io.decode_png((tmp_path / "study.png").read_bytes()).shape
    assert height > 300 and width == pytest.approx(1.5 * len(trained) * height, rel=0.02)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", "line 2 is no training: 'network' must be str"),
        (json.dumps({**RUNS[0], "seed": "1"}), "'seed' must be int"),
        (json.dumps({**RUNS[0], "accuracy": None}), "'accuracy' must be float"),
    ],
)
def test_a_broken_journal_is_named(line, message, tmp_path):
    path = tmp_path / "study.jsonl"
    journal.append(path, RUNS[0])
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(TrainersError, match=message):
        journal.read(path, ["accuracy"])


MADE_OF_OFFICIAL = ("digits_gan", "shapes_detection")
EVERY_STUDY = [
    pytest.param(name, marks=needs_official if name in MADE_OF_OFFICIAL else ()) for name in STUDIES
]


@pytest.mark.parametrize("name", EVERY_STUDY)
def test_every_study_has_configurations(name):
    study = STUDIES[name]
    assert study.baseline in study.layers and set(study.shown) <= set(study.layers)
    assert set(study.more_seeds) <= set(study.layers)
    assert {end for change in study.changes for end in change} <= set(study.settings)
    for cell in study.cells():
        params = training.configuration(study, cell)
        assert params.task.model.norm_act == cell.layer
