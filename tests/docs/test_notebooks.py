"""The tutorials run from their first cell to their last, and open in Colab."""

import json
import pathlib

import pytest

TUTORIALS = sorted((pathlib.Path(__file__).parent.parent.parent / "docs/tutorials").glob("*.ipynb"))
COLAB = "https://colab.research.google.com/github/evonorm-tf/evonorm-tf/blob/main/docs/tutorials/"

pytest.importorskip("nbclient", reason="needs the group dev: make install")


def _by_night(path):
    # It runs commands that tests of the search run too.
    marks = [pytest.mark.nightly] if path.stem == "search_on_a_laptop" else []
    return pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.parametrize("path", list(map(_by_night, TUTORIALS)))
def test_a_tutorial_runs(path):
    from docs.tools import notebooks

    cells = notebooks.run(path).cells
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_has_its_outputs_and_opens_in_colab(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert COLAB + path.name in "".join(cells[0]["source"])
    assert any(cell.get("outputs") for cell in cells)
    assert "google.colab" in "".join("".join(cell["source"]) for cell in cells)
