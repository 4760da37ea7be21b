"""Drawings of layer graphs: by Graphviz if it is installed, else by matplotlib.

Both draw the text of `LayerGraph.dot`, so that labels are the same.
"""

import functools
import pathlib
import re
import shutil
import tempfile

from matplotlib.axes import Axes

from evonorm_tf.graph.layer_graph import LayerGraph
from search.report import style

_NODE = re.compile(r'^  (n\d+) \[label="([^"]*)"', re.MULTILINE)
_EDGE = re.compile(r'^  (n\d+) -> (n\d+)(?: \[label="([^"]*)")?', re.MULTILINE)
# Graphviz's colours, and the page's colours that replace them.
_COLOURS = {
    "#eef3fb": "var(--node)",
    "#fff4d6": "var(--node-input)",
    "#dff0df": "var(--node-output)",
    "#5a7bb0": "var(--blue)",
    "#555555": "var(--muted)",
}
_FILLS = {"inner": "#eef3fb", "input": "#fff4d6", "output": "#dff0df"}


def has_graphviz() -> bool:
    """Whether Graphviz's program `dot` is on the path."""
    return shutil.which("dot") is not None


def svg(graph: LayerGraph) -> str:
    """The graph as inline SVG."""
    label = f"computation graph of {graph.formula()}"
    if not has_graphviz():
        text = style.svg(_panel(graph), label)
    else:
        text = style.themed(_by_graphviz(graph, ".svg").decode(), label)
        text = re.sub(r"<title>.*?</title>|<!--.*?-->|<polygon[^>]*/>", _kept, text, flags=re.S)
        text = re.sub(r' id="[^"]*"', "", text).replace("<text ", '<text fill="var(--ink)" ')
    for colour, variable in _COLOURS.items():
        text = text.replace(colour, variable)
    return text


def png(graph: LayerGraph) -> bytes:
    """The graph as a PNG."""
    return _by_graphviz(graph, ".png") if has_graphviz() else style.png([_panel(graph)])


def _kept(match: re.Match) -> str:
    """Keeps arrow heads; drops titles, comments and the white background."""
    element = match.group()
    return element if element.startswith("<polygon") and 'fill="white"' not in element else ""


def _by_graphviz(graph: LayerGraph, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, f"graph{suffix}")
        graph.draw(path)
        return path.read_bytes()


def _panel(graph: LayerGraph) -> style.Panel:
    labels = dict(_NODE.findall(graph.dot()))
    edges = _EDGE.findall(graph.dot())
    places = _layout(list(labels), edges)
    width = 1.5 + 1.1 * max(x for x, _ in places.values())
    height = 0.8 + 0.75 * max(y for _, y in places.values())
    draw = functools.partial(_draw, labels=labels, edges=edges, places=places)
    return style.Panel(draw, (width, height))


def _layout(nodes: list[str], edges: list[tuple[str, str, str]]) -> dict[str, tuple[float, float]]:
    """Places each node one row above its highest input, near the middle of its inputs."""
    depth: dict[str, int] = {}
    for node in nodes:
        inputs = [source for source, target, _ in edges if target == node]
        depth[node] = max((depth[source] + 1 for source in inputs), default=0)
    places: dict[str, tuple[float, float]] = {}
    for level in range(max(depth.values()) + 1):
        taken = -1.0
        row = [node for node in nodes if depth[node] == level]
        for node in sorted(row, key=lambda node: _middle(node, edges, places)):
            # An edge that passes this row needs space next to the node.
            wanted = _middle(node, edges, places) + (0.35 if level % 2 else 0.0)
            taken = max(taken + 1.0, wanted)
            places[node] = (taken, float(level))
    return places


def _middle(node: str, edges: list[tuple[str, str, str]], places: dict) -> float:
    inputs = [places[source][0] for source, target, _ in edges if target == node]
    return sum(inputs) / len(inputs) if inputs else 0.0


def _draw(axes: Axes, labels: dict, edges: list, places: dict) -> None:
    targets = [target for _, target, _ in edges]
    sources = [source for source, _, _ in edges]
    for number, (source, target, mark) in enumerate(edges):
        # Two edges between the same nodes bend in opposite directions.
        repeated = (source, target) in [edge[:2] for edge in edges[:number]]
        bend = -0.25 if repeated else 0.25
        axes.annotate(
            "",
            xy=places[target],
            xytext=places[source],
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#555555",
                "shrinkA": 12,
                "shrinkB": 13,
                "connectionstyle": f"arc3,rad={bend if sources.count(source) > 1 else 0.0}",
            },
        )
        if mark:
            x, y = (0.3 * a + 0.7 * b for a, b in zip(places[source], places[target], strict=True))
            axes.text(x + 0.12, y, mark.strip(), fontsize=9, color=style.LIGHT["muted"])
    for node, label in labels.items():
        kind = "input" if node not in targets else "output" if node not in sources else "inner"
        x, y = places[node]
        axes.text(
            x,
            y,
            label.replace("\\n", "\n"),
            ha="center",
            va="center",
            fontsize=9,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": _FILLS[kind], "edgecolor": "#5a7bb0"},
        )
    axes.set_xlim(-0.6, max(x for x, _ in places.values()) + 0.6)
    axes.set_ylim(-0.5, max(y for _, y in places.values()) + 0.5)
    axes.set_axis_off()
