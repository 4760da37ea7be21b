"""Run folders from a stranger: each command ends in a result or in one line, and writes inside."""

import json
import shutil
import sqlite3

import pytest
from matplotlib.figure import Figure

from search import cli
from search.report import graph_picture, style
from search.storage.database import BEST, DATABASE, LOCK
from tests.search import synthetic_run
from tests.tiers import tiered

TEXTS = ["name", "graph", "formula", "fingerprint", "reason", "host"]
OTHERS = ["parent", "duplicate_of", "scores", "fitness", "stages", "seconds", "created", "finished"]
COLUMNS = tiered(
    [*TEXTS, *OTHERS],
    everyday=["fitness"],
    slow=["graph", "reason", "scores", "stages", "seconds", "parent"],
)
WRONG_TEXT = ["text", "", 1.5, b"\x00\xff", "[" * 100_000]
WRONG = [
    "text",
    b"\x00\xff",
    -5,
    1.5,
    9e999,
    2**62,
    "",
    "[1, 2]",
    '{"a": "b"}',
    '{"quality": {"accuracies": 3}}',
    '{"quality": {"seconds": "long"}}',
    '{"a": NaN}',
    "[" * 100_000,
]
META = ["config", "created", "elapsed", "rerank", "comparison", "sources", "places", "num_classes"]
WRONG_META = [*WRONG, '{"method": {"window": "wide"}}', '[{"id": 9999}]', '"text"', "null", "-3"]
RERANKED = '[{"id": "1", "formula": "x", "networks": {}, "mean": 0.5}]'
COMPARED = [
    '[{"id": 99999, "name": null, "formula": "x", "mean": 0.5, "accuracies": {"a": [0.5]}}]',
    '[{"id": 4, "name": null, "formula": "x", "mean": 0.5, "accuracies": {}}]',
    '[{"id": 4, "name": null, "formula": "x", "mean": 0.5, "accuracies": {"a": [1], "b": []}}]',
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("runs") / "run", 30)
    synthetic_run.add_final(folder, 0.97, {"bn_relu": 0.95, "evonorm_b0": 0.96, "evonorm_s0": 0.98})
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def change(folder, statement, *values):
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute(statement, values)
    connection.close()


def run(capsys, *arguments):
    """Runs a command that may end in one line, never in a traceback."""
    code = cli.main([*arguments])
    captured = capsys.readouterr()
    if code:
        assert code == 1
        assert len(captured.err.strip().splitlines()) == 1, captured.err
        assert captured.err.startswith("search: ") and len(captured.err) < 500
    assert captured.out.replace("\n", "").isprintable()
    return code


def run_all(capsys, folder):
    for command in ("status", "export", "report"):
        extra = ["--force"] if command == "export" else []
        run(capsys, command, "--run-dir", str(folder), *extra)


@pytest.fixture
def quick_report(monkeypatch):
    """Panels are drawn, but not turned into files, which is what takes time."""

    def drawn(panels, **options):
        for panel in panels:
            panel.draw(Figure().subplots())
        return b'<svg viewBox="0 0 1 1"></svg>'

    monkeypatch.setattr(style, "_render", drawn)
    monkeypatch.setattr(graph_picture, "png", lambda graph: b"")


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize("column", COLUMNS)
def test_values_of_wrong_types(folder, capsys, column):
    # The best layer, which all commands show, and a rejected one.
    best = "SELECT id FROM candidates WHERE status = 'accepted' ORDER BY fitness DESC, id LIMIT 1"
    rejected = "SELECT id FROM candidates WHERE status = 'rejected' LIMIT 1"
    is_text = column in TEXTS  # most are right there, and the report is made
    for value in WRONG_TEXT if is_text else WRONG:
        for chosen in (best,) if is_text else (best, rejected):
            copy = shutil.copytree(folder, folder.with_name("copy"))
            change(copy, f"UPDATE candidates SET {column} = ? WHERE id = ({chosen})", value)
            run_all(capsys, copy)
            shutil.rmtree(copy)


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize("key", tiered(META, everyday=["elapsed"], slow=["rerank", "comparison"]))
def test_settings_of_wrong_types(folder, capsys, key):
    for value in [*WRONG_META, RERANKED, *COMPARED]:
        if isinstance(value, str):
            change(folder, "INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)
            run_all(capsys, folder)


def test_a_wrong_value_is_named(folder, capsys):
    change(folder, "UPDATE candidates SET fitness = 'high' WHERE id = 1")
    assert cli.main(["report", "--run-dir", str(folder)]) == 1
    error = capsys.readouterr().err
    assert f"{folder / DATABASE}: candidate 1: fitness must be a finite number or NULL" in error
    assert "Received: 'high'" in error


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_cyclic_ancestry_ends(folder, capsys, length):
    rows = sqlite3.connect(folder / DATABASE).execute(
        "SELECT id FROM candidates WHERE origin != 'baseline' AND status = 'accepted' "
        "ORDER BY fitness DESC, id"
    )
    ids = [row[0] for row in rows][:length]
    for child, parent in zip(ids, [*ids[1:], ids[0]], strict=True):
        change(folder, "UPDATE candidates SET parent = ? WHERE id = ?", parent, child)
    change(folder, "DELETE FROM meta WHERE key IN ('rerank', 'comparison')")
    assert cli.main(["report", "--run-dir", str(folder)]) == 1
    assert "is its own ancestor" in capsys.readouterr().err


def test_text_cannot_control_the_terminal(folder, capsys):
    text = "x\x1b[2J\x07\nnew line"
    change(folder, "UPDATE candidates SET formula = ?, reason = ?", text, text)
    assert run(capsys, "status", "--run-dir", str(folder)) == 0


@pytest.mark.parametrize("name", ["config.json", "config.json.part", LOCK, "report.html", "other"])
@pytest.mark.parametrize("exists", [False, True])
def test_links_are_refused(folder, tmp_path, capsys, name, exists):
    target = tmp_path / "mine"
    if exists:
        target.write_text("precious")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    for command in ("resume", "rerank", "report", "status"):
        assert cli.main([command, "--run-dir", str(folder)]) == 1
        assert "is a link" in capsys.readouterr().err
    assert not exists or target.read_text() == "precious"
    assert target.exists() == exists


def test_a_folder_of_best_layers_that_is_elsewhere_is_left_alone(folder, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "01_candidate_7.json").write_text(json.dumps("precious"))
    for link in (folder / BEST, folder / BEST / "01_candidate_7.json"):
        link.symlink_to(mine if link.name == BEST else mine / link.name)
        assert cli.main(["resume", "--run-dir", str(folder)]) == 1
        assert "is a link" in capsys.readouterr().err
        link.unlink()
        (folder / BEST).mkdir(exist_ok=True)
    assert (mine / "01_candidate_7.json").read_text() == json.dumps("precious")
