"""The example of the documentation's page."""

import os
import pathlib
import textwrap

import keras

_PAGE = pathlib.Path(__file__).parents[2] / "docs" / "backends.md"


def run(folder):
    """Runs the page's first block of code in a folder."""
    lines = _PAGE.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("    "))
    last = next(i for i in range(first, len(lines)) if lines[i] and not lines[i].startswith("    "))
    os.chdir(folder)
    names = {}
    exec(textwrap.dedent("\n".join(lines[first:last])), names)
    assert [type(layer).__name__ for layer in names["model"].layers][1] == "EvoNormB0"
    keras.models.load_model(folder / "model.keras")
