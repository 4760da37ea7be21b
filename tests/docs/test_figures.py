"""The gallery is current, and each figure of the site has a command that writes it."""

import fnmatch
import pathlib
import re

import evonorm_tf as en
from docs.tools import gallery

DOCS = pathlib.Path(__file__).parent.parent.parent / "docs"
FIGURES = sorted(
    path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*") if path.suffix in {".png", ".svg"}
)


def test_the_gallery_is_what_its_command_writes():
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page()


def test_the_gallery_has_every_layer():
    shown = [name for _, _, names in gallery.CHAPTERS for name in names]
    assert sorted(shown) == en.names()


def test_every_figure_has_its_command():
    table = (DOCS / "experiments/index.md").read_text(encoding="utf-8")
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    patterns = [pattern for row in rows for pattern in re.findall(r"`([^`]+)`", row.split("|")[1])]
    for figure in FIGURES:
        assert any(fnmatch.fnmatch(figure, pattern) for pattern in patterns), figure
    for pattern in patterns:
        assert fnmatch.filter(FIGURES, pattern), pattern
    assert all("`" in row.split("|")[3] for row in rows)


def test_every_figure_is_shown():
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    for figure in FIGURES:
        assert figure in pages, figure


def test_the_response_of_a_known_layer():
    """BN-ReLU passes what is above the mean, and divides by the batch's deviation of about 1."""
    y, slope = gallery.response("bn_relu", 1.0, [-2.0, 2.0])
    assert y[0] == 0.0 and abs(y[1] - 2.0) < 0.1
    assert slope[0] == 0.0 and abs(slope[1] - 1.0) < 0.1
