"""The tutorials run from their first cell to their last, and open in Colab."""

import json
import pathlib

import pytest

TUTORIALS = sorted((pathlib.Path(__file__).parent.parent.parent / "docs/tutorials").glob("*.ipynb"))
COLAB = "https://colab.research.google.com/github/evonorm-tf/evonorm-tf/blob/main/docs/tutorials/"

pytest.importorskip("nbclient", reason="needs the group dev: make install")
# It runs commands that tests of the search run too.
MARKS = {"search_on_a_laptop": pytest.mark.nightly, "layer_for_your_network": pytest.mark.slow}
SHORT = {
    "layer_for_your_network": {
        'preset = "demo"': 'preset = "smoke"',
        '    evaluation={"steps": 150, "learning_rate": 0.05},': '    evaluation={"steps": 20},',
    }
}


def _marked(path):
    return pytest.param(path, marks=MARKS.get(path.stem, ()), id=path.stem)


@pytest.mark.parametrize("path", list(map(_marked, TUTORIALS)))
def test_a_tutorial_runs(path):
    from docs.tools import notebooks

    cells = notebooks.run(path, SHORT.get(path.stem, {})).cells
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")
    if "search.run(" in "".join(cell.source for cell in cells):
        _check_the_panel(cells)


def _check_the_panel(cells):
    """The search's panel is one output of its cell, and shows the last state."""
    (cell,) = (cell for cell in cells if "run = search.run(" in cell.source)
    panels = [each for each in cell.outputs if "text/html" in each.get("data", {})]
    assert len(panels) == 1
    assert "sampled" in panels[0]["data"]["text/html"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_has_its_outputs_and_opens_in_colab(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert COLAB + path.name in "".join(cells[0]["source"])
    assert any(cell.get("outputs") for cell in cells)
    assert "google.colab" in "".join("".join(cell["source"]) for cell in cells)
