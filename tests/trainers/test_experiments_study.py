"""The study on the digits: its trainings are the engine's, and it goes on where it stopped."""

import json

import pytest
import tensorflow as tf

from tests.trainers import tiny  # noqa: F401  (makes the network known)
from trainers import train
from trainers.classification import evaluate
from trainers.experiments import digits, digits_report, digits_study


@pytest.fixture
def small_study(monkeypatch):
    """One layer, one batch size, two seeds, four steps of the tiny network."""
    monkeypatch.setattr(digits, "LAYERS", ("evonorm_b0",))
    monkeypatch.setattr(digits, "BATCH_SIZES", (8,))
    monkeypatch.setattr(digits_study, "SEEDS", (0, 1))
    monkeypatch.setattr(digits, "config", lambda layer, size: small_config(layer, size))


_config = digits.config


def small_config(layer, batch_size):
    params = _config(layer, batch_size)
    params.task.model.network = "tiny"
    params.trainer.train_steps = params.trainer.steps_per_loop = 4
    params.trainer.optimizer_config.warmup.linear.warmup_steps = 1
    return params


@pytest.mark.slow
def test_the_study_trains_as_the_engine_does(small_study, tmp_path):
    digits_study.run(tmp_path / "study")
    first, second = digits_report.read(tmp_path / "study" / "runs.jsonl")
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["training_loss"] != second["training_loss"]

    params = small_config("evonorm_b0", 8)
    params.task.seed = params.task.train_data.seed = 1
    params.trainer.checkpoint_interval = params.trainer.validation_interval = 4
    params.trainer.summary_interval = 4
    folder = str(tmp_path / "engine")
    train.run(params, "train", folder)
    assert tf.train.latest_checkpoint(folder).endswith("ckpt-4")
    assert evaluate.evaluate(folder, split="test")["accuracy"] == pytest.approx(second["accuracy"])


def test_finished_runs_are_kept(small_study, tmp_path, monkeypatch):
    runs = [
        {"layer": "evonorm_b0", "batch_size": 8, "seed": s, "accuracy": a, "first_bad_step": 0}
        for s, a in ((0, 0.5), (1, 0.7))
    ]
    journal = tmp_path / "runs.jsonl"
    journal.write_text("".join(json.dumps(run) + "\n" for run in runs), encoding="utf-8")
    monkeypatch.setattr(digits_study, "_train", None)  # nothing is left to train
    digits_study.run(tmp_path)
    assert digits_report.read(journal) == runs
    table = (tmp_path / "digits.md").read_text(encoding="utf-8")
    assert "| evonorm_b0 | 60.0 ± 14.1 |" in table
    assert tf.io.decode_png((tmp_path / "digits.png").read_bytes()).shape[0] > 300


def test_what_has_not_run_or_diverged_shows():
    run = {"layer": "frn", "batch_size": 4, "seed": 0, "accuracy": 0.1, "first_bad_step": 3}
    rows = {line.split("|")[1].strip(): line for line in digits_report.table([run]).splitlines()}
    assert rows["frn"] == "| frn | 10.0 ± 0.0 (1 not finite) | - | - |"
    assert rows["bn_relu"] == "| bn_relu | - | - | - |"
