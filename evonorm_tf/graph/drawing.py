"""Drawings of layer graphs by Graphviz, in the style of the paper's figure 1."""

import os
import pathlib
import shutil
import subprocess
from typing import Any

from evonorm_tf import files
from evonorm_tf.graph import ops

_LABELS = {"ADD": "+", "MUL": "×", "DIV": "÷", "MAX": "max", "NEG": "−", "SQUARE": "x²"}
_INITIAL_LABELS = ("x", "0", "v₀", "v₁")
_SUFFIXES = (".png", ".svg", ".pdf")


def dot(graph: Any) -> str:
    """The graph's live nodes in Graphviz's language; data flows from bottom to top."""
    live = graph.live()
    lines = [
        "digraph layer {",
        "  rankdir=BT;",
        '  node [shape=box, style="rounded,filled", fillcolor="#eef3fb", color="#5a7bb0",'
        ' fontname="Helvetica", fontsize=12];',
        '  edge [color="#555555", arrowsize=0.7];',
    ]
    for index, label in enumerate(_INITIAL_LABELS):
        if index in live:
            lines.append(f'  n{index} [label="{label}", shape=circle, fillcolor="#fff4d6"];')
    for index in sorted(live - set(range(ops.NUM_INITIAL_NODES))):
        node = graph.node(index)
        fill = ', fillcolor="#dff0df"' if index == graph.output else ""
        lines.append(f'  n{index} [label="{_label(node)}"{fill}];')
        for position, source in enumerate(node.inputs):
            # The inputs of DIV are not interchangeable, so the drawing marks the divisor.
            mark = ' [label=" ÷", fontsize=10]' if (node.op, position) == ("DIV", 1) else ""
            lines.append(f"  n{source} -> n{index}{mark};")
    return "\n".join([*lines, "}", ""])


def draw(graph: Any, path: str | os.PathLike) -> None:
    """Renders `dot` into a .png, .svg or .pdf file; a failure leaves no partial file.

    Raises:
      ValueError: for a path with another suffix.
      RuntimeError: if Graphviz is not installed, or fails.
    """
    path = pathlib.Path(path)
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"`path` must end in one of {', '.join(_SUFFIXES)}. Received: {path}")
    program = shutil.which("dot")
    if program is None:
        raise RuntimeError(
            "drawing a layer graph needs Graphviz's `dot` program, which is not on PATH: "
            "install Graphviz, or use `LayerGraph.dot()`"
        )
    # In an SVG a resolution would scale the drawing but not its frame.
    resolution = ["-Gdpi=150"] if path.suffix == ".png" else []
    done = subprocess.run(
        [program, f"-T{path.suffix[1:]}", *resolution],
        input=dot(graph).encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`dot` failed: {done.stderr.decode(errors='replace').strip()}")
    files.write_whole(path, done.stdout)


def _label(node: Any) -> str:
    if node.index_set:
        return f"{node.op.lower()}\\n({ops.AXES_IN_FORMULAS[node.index_set]})"
    return _LABELS.get(node.op, node.op.lower())
