"""The configuration as a file: `init` writes it, and `run --config` reads it."""

import dataclasses

import pytest

from search import cli, config, config_file, presets
from search.errors import SearchError
from search.field_comments import field_comments

SECTIONS = (config.Space, config.Evaluation, config.Method, config.Rerank, config.Ray)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_written_preset_is_the_preset(capsys, tmp_path, name):
    path = tmp_path / "search.yaml"
    assert cli.main(["init", "--preset", name, "--output", str(path)]) == 0
    assert "search run --config" in capsys.readouterr().out
    assert config_file.read(path) == presets.PRESETS[name]
    assert max(map(len, path.read_text().splitlines())) <= 100


def test_the_comments_are_those_of_the_source(tmp_path):
    config_file.write(tmp_path / "search.yaml", presets.preset("demo"))
    text = " ".join(tmp_path.joinpath("search.yaml").read_text().replace("# ", " ").split())
    comments = [comment for each in SECTIONS for comment in field_comments(each).values()]
    assert len(list(filter(None, comments))) > 40
    assert [comment for comment in comments if " ".join(comment.split()) not in text] == []
    assert field_comments(config.Space)["num_nodes"] == "paper: 10"
    assert "random_rejection and random are the baselines of figure 6. one of evolution," in text


def test_comments_above_and_behind_a_field():
    assert field_comments(_Commented) == {"first": "One. Two.; three", "second": "", "third": "x"}


@dataclasses.dataclass
class _Commented:
    # One.
    # Two.
    first: int = 0  # three

    second: int = 0
    third: tuple = (
        1,  # x
    )


def test_a_file_has_some_fields_on_a_preset(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(
        "preset: smoke\nevaluation:\n  weight_decay: 1e-4\n  learning_rate: 2\n"
        "  anchors: [resnet_small, my_module:build]\nmethod: {max_candidates: null}\n"
    )
    smoke, read = presets.preset("smoke"), config_file.read(path)
    assert read.evaluation.anchors == ("resnet_small", "my_module:build")
    assert (read.evaluation.weight_decay, read.evaluation.learning_rate) == (1e-4, 2.0)
    assert read.method.max_candidates is None
    assert (read.evaluation.data, read.rerank) == (smoke.evaluation.data, smoke.rerank)


WRONG = {
    "": "must have fields of the configuration. Received: None",
    "- steps": "must have fields of the configuration. Received: ['steps']",
    "preset: paper": "preset cannot be 'paper': it is one of demo, cifar-small,",
    "preset: [demo]": "preset cannot be ['demo']: it is one of demo",
    "evaluation: {steps: few}": "evaluation.steps cannot be 'few': it is a number from 1",
    "evaluation: {step: 3}": "the configuration has no field evaluation.step",
    "evaluation: 3": "evaluation cannot be 3",
    "evaluation: {3: 3}": "evaluation",
    "steps: [": "is no configuration: while parsing",
    "workers: 1\nworkers: 2": "the field workers is there twice",
    "a: !!python/object/apply:os.getcwd []": "could not determine a constructor",
    "a: \0": "is no configuration: unacceptable character",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_file(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(SearchError) as refused:
        config_file.read(path)
    line = str(refused.value)
    assert line.startswith(f"{path}") and WRONG[text] in line and "\n" not in line


def test_settings_of_the_command_line_are_on_top(capsys, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("preset: smoke\nworkers: 3\n")
    options = ["--config", str(path), "--run-dir", str(tmp_path / "run"), "--no-final"]
    assert cli.main(["run", *options, "--set", "baselines=relu"]) == 1
    assert "baselines cannot be 'relu'" in capsys.readouterr().err
    assert cli.main(["run", *options, "--workers", "0"]) == 1
    assert "workers cannot be 0" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_file_is_not_written_over(capsys, tmp_path):
    path = tmp_path / "search.yaml"
    path.write_text("kept")
    command = ["init", "--output", str(path)]
    assert cli.main(command) == 1
    assert capsys.readouterr().err.endswith("exists already: choose another --output, or --force\n")
    assert path.read_text() == "kept"
    assert cli.main([*command, "--force"]) == 0
    assert config_file.read(path) == presets.preset("demo")
    assert cli.main(["init", "--output", str(tmp_path / "no" / "search.yaml")]) == 1
    assert "cannot write" in capsys.readouterr().err
