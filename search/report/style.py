"""The style of all figures, for light and dark pages and for colour-blind readers.

A figure is drawn once, with the colours of `LIGHT`. A PNG keeps them; in an SVG a CSS variable of
the page replaces each of them.
"""

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette; some colours are darker, since thin lines would be too pale on white.
LIGHT: Mapping[str, str] = {
    "ink": "#1c2230",
    "muted": "#5c6675",
    "grid": "#dfe3ea",
    "paper": "#fefefe",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "yellow": "#c98a00",
    "purple": "#a8588a",
    "sky": "#56b4e9",
}
DARK: Mapping[str, str] = {
    "ink": "#e8ebf1",
    "muted": "#a3adbd",
    "grid": "#343b48",
    "paper": "#1b1f27",
    "blue": "#5ab4e8",
    "orange": "#f08a4b",
    "green": "#35c89b",
    "yellow": "#ecb440",
    "purple": "#dc95c1",
    "sky": "#8accf5",
}
SERIES = ("blue", "orange", "green", "purple", "yellow", "sky")
LineStyle: TypeAlias = str | tuple[int, tuple[float, ...]]
LINE_STYLES: Sequence[LineStyle] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (4, 1.5, 1, 1.5)))

_RC: dict[Any, Any] = {
    "font.family": ["sans-serif"],
    "font.size": 10,
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["muted"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.facecolor": LIGHT["paper"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.8,
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "figure.facecolor": LIGHT["paper"],
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 2.0,
    "svg.fonttype": "none",
}
_PNG_DPI = 160


class Panel(NamedTuple):
    """One pair of axes: the function that draws on them, and their size in inches."""

    draw: Callable[[Axes], None]
    size: tuple[float, float] = (4.8, 3.3)


def png(panels: Sequence[Panel]) -> bytes:
    """The panels side by side as a PNG."""
    return _render(panels, format="png", dpi=_PNG_DPI)


def svg(panel: Panel, label: str) -> str:
    """One panel as inline SVG; `label` is for screen readers."""
    # With equal salts, clip paths of different figures on the page would have equal ids.
    with matplotlib.rc_context({"svg.hashsalt": label}):
        text = _render([panel], format="svg", transparent=True, metadata={"Date": None}).decode()
    return themed(text, label)


def themed(text: str, label: str) -> str:
    """An SVG file's text as an element of a page, with its colours and without a fixed size."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    head, rest = text.split(">", 1)
    view = re.findall(r'viewBox="([^"]*)"', head)[0]
    for name, colour in LIGHT.items():
        rest = re.sub(colour, f"var(--{name})", rest, flags=re.IGNORECASE)
    rest = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", rest)
    width = float(view.split()[2])
    head = f'<svg viewBox="{view}" style="--natural:{width:.0f}px"'
    return f'{head} role="img" aria-label="{html.escape(label)}">{rest}'


def _render(panels: Sequence[Panel], **options: Any) -> bytes:
    with matplotlib.rc_context(_RC):
        width = sum(panel.size[0] for panel in panels)
        height = max(panel.size[1] for panel in panels)
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for panel, axes in zip(panels, grid, strict=True):
            panel.draw(axes)
        buffer = io.BytesIO()
        figure.savefig(buffer, **options)
    return buffer.getvalue()
