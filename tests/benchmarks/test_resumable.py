"""The file of scores with which a benchmark resumes."""

import json
import os
import pathlib

import pytest

from benchmarks import acceptance
from benchmarks.resumable import TRAINING, Record
from search.presets import preset

FIGURES = pathlib.Path(__file__).parent.parent.parent / "docs/search"
DEMO = vars(preset("demo").evaluation)


def test_a_record_resumes_with_what_was_written(tmp_path):
    path = tmp_path / "scores.json"
    record = Record(path, DEMO)
    assert record.scores == {} and not path.exists()
    record.scores["bn_relu"] = {"0": {"resnet_small": 0.5}}
    record.contents["summary"] = {"tau": 1.0}
    record.write()
    again = Record(path, DEMO)
    assert again.scores == {"bn_relu": {"0": {"resnet_small": 0.5}}}
    assert again.contents == record.contents
    assert os.listdir(tmp_path) == ["scores.json"]


def test_a_record_does_not_say_where_a_machine_keeps_its_data(tmp_path):
    settings = vars(preset("demo").override(["evaluation.data_dir=/home/data"]).evaluation)
    record = Record(tmp_path / "scores.json", settings)
    record.write()
    assert "/home/data" not in record.path.read_text()
    assert Record(record.path, DEMO).scores == {}


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    record = Record(tmp_path / "scores.json", DEMO)
    record.write()
    before = record.path.read_text()
    record.scores["bn_relu"] = object()
    with pytest.raises(TypeError):
        record.write()
    assert record.path.read_text() == before


@pytest.mark.parametrize(
    ("name", "compared"),
    [("proxy_demo", (*TRAINING, "anchors")), ("discovery", TRAINING)],
)
def test_the_published_scores_can_be_resumed(name, compared):
    path = FIGURES / f"{name}.json"
    record = Record(path, DEMO, compared)
    assert record.contents == json.loads(path.read_text(encoding="utf-8"))
    assert "bn_relu" in record.scores


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps=50", "evaluation.steps=100, and this run has 50"),
        ("image_size=16", "evaluation.image_size=None, and this run has 16"),
        # The file is older than this setting.
        ("warmup_steps=10", "evaluation.warmup_steps=None, and this run has 10"),
        ("anchors=resnet_small", "evaluation.anchors="),
    ],
)
def test_scores_of_other_settings_are_refused(setting, message):
    other = vars(preset("demo").override([f"evaluation.{setting}"]).evaluation)
    with pytest.raises(SystemExit, match=message):
        Record(FIGURES / "proxy_demo.json", other, (*TRAINING, "anchors"))


def test_settings_that_no_training_depends_on_may_differ():
    other = vars(preset("demo").override(["evaluation.stability_steps=3"]).evaluation)
    Record(FIGURES / "proxy_demo.json", other, TRAINING)
    with pytest.raises(SystemExit, match="stability_steps=10, and this run has 3"):
        Record(FIGURES / "proxy_demo.json", other, (*TRAINING, *acceptance.TESTS))


def test_a_file_of_scores_alone_is_read(tmp_path):
    scores = {"evonorm_b0": {"resnet_small": {"0": {"accuracy": 0.5}}}}
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(scores))
    record = Record(path, DEMO)
    assert record.scores == scores and record.contents["evaluation"]["steps"] == DEMO["steps"]


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"a": 1}', '{"evaluation": {}}', '{"evaluation": 1, "scores": {}}']
)
def test_other_contents_are_refused_in_one_line(tmp_path, text):
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(SystemExit) as error:
        Record(path, DEMO)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert path.read_text() == text
