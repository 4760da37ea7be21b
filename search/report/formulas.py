"""Formulas as SVG: LaTeX rendered by matplotlib's mathtext, in the page's text colour."""

import html
import re

import numpy as np
from matplotlib.path import Path
from matplotlib.textpath import TextPath

_POINTS_PER_EM = 20
_COMMANDS = {
    Path.MOVETO: ("M", 1),
    Path.LINETO: ("L", 1),
    Path.CURVE3: ("Q", 2),
    Path.CURVE4: ("C", 3),
    Path.CLOSEPOLY: ("Z", 0),
}
_LINE_END = r", \quad "


def svg_lines(latex: str, plain: str) -> list[str]:
    """A formula as SVG elements: the expression, then a line for each term in it.

    One that mathtext cannot set, or that is too deeply nested for it, becomes plain text.

    Args:
      latex: the formula in LaTeX.
      plain: the same in plain text, for screen readers.
    """
    plain = html.escape(plain)
    # "z1" is one name; without braces it would be typeset as a product.
    latex = re.sub(r"\bz(\d+)", r"z_{\1}", latex)
    # A screen reader reads the plain formula once, in place of all the lines.
    spoken = [f'role="img" aria-label="{plain}"']
    lines = latex.split(_LINE_END)
    hidden = ['aria-hidden="true"'] * (len(lines) - 1)
    try:
        return [_svg(line, more) for line, more in zip(lines, spoken + hidden, strict=True)]
    except (RecursionError, ValueError):
        # Some 27 nested operations, or LaTeX of a registered primitive that mathtext does not know.
        return [f"<code>{plain}</code>"]


def _svg(latex: str, attributes: str) -> str:
    # The outermost fraction comes first; in a smaller one its terms would be set in small letters.
    latex = latex.replace(r"\frac", r"\dfrac", 1)
    path = TextPath((0, 0), f"${latex}$", size=_POINTS_PER_EM)
    box = path.get_extents().padded(1.0)
    data = "".join(
        letter + " ".join(f"{value:.1f}" for value in _flip(vertices[: 2 * points], box.y1))
        for vertices, code in path.iter_segments(simplify=False)
        for letter, points in [_COMMANDS[code]]
    )
    return (
        f'<svg class="formula" {attributes} style="--w:{box.width / _POINTS_PER_EM:.2f}em" '
        f'viewBox="{box.x0:.1f} 0 {box.width:.1f} {box.height:.1f}">'
        f'<path fill="currentColor" d="{data}"/></svg>'
    )


def _flip(vertices: np.ndarray, top: float) -> np.ndarray:
    """Points of a font, whose y grows upwards, in SVG's coordinates."""
    points = np.array(vertices, dtype=float)
    points[1::2] = top - points[1::2]
    return points
