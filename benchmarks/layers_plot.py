"""The figure and the tables of `benchmarks.layers`."""

import json
import pathlib

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks import grouped_bars

_BARS = {
    "": ("evonorm-tf", "#2a6f97"),
    "graph": ("evonorm-tf, from the graph", "#89c2d9"),
    "plain": ("TensorFlow operations", "#b0b0b0"),
    "kecam": ("keras_cv_attention_models", "#e09f3e"),
    "timm": ("timm, eager", "#c1666b"),
    "timm compiled": ("timm, compiled", "#7f1d1d"),
}
_LAYERS = ("evonorm_b0", "evonorm_s0")
_SHAPES = 3
_TICKS = (0.5, 1, 2, 5, 10, 20)
_RIVAL = "Keras BN + ReLU"
# What has a table of its own.
_CASE = ("machine", "dtype", "how")


def draw(folder: pathlib.Path) -> None:
    """Draws FOLDER/layers.png from FOLDER/layers.json: a row for each machine."""
    rows = json.loads((folder / "layers.json").read_text(encoding="utf-8"))
    rows = [row for row in rows if (row["dtype"], row["how"]) == ("float32", "function")]
    rows = [row for row in rows if row["pass"] == "training"]
    machines = list(dict.fromkeys(row["machine"] for row in rows))
    size, height = (len(machines), len(_LAYERS)), 1 + 3.4 * len(machines)
    figure, axes = plt.subplots(
        *size, figsize=(10, height), sharex=True, sharey=True, squeeze=False
    )
    for line, machine in zip(axes, machines, strict=True):
        chosen = [row for row in rows if row["machine"] == machine]
        for axis, layer in zip(line, _LAYERS, strict=True):
            _bars(axis, layer, chosen)
            axis.set_title(f"{layer}\n{machine}", fontsize=9)
        line[0].set_ylabel(f"time over {_RIVAL}")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.suptitle("Forward and backward pass of one layer, two CPU cores, float32")
    figure.tight_layout(rect=(0, 0.5 / height, 1, 1))
    figure.savefig(folder / "layers.png", dpi=120)
    plt.close(figure)


def tabulate(folder: pathlib.Path) -> None:
    """Writes FOLDER/layers.md from FOLDER/layers.json."""
    rows = json.loads((folder / "layers.json").read_text(encoding="utf-8"))
    cases = list(dict.fromkeys(tuple(row[key] for key in _CASE) for row in rows))
    lines = []
    for case in cases:
        chosen = [row for row in rows if tuple(row[key] for key in _CASE) == case]
        lines += [f"## {', '.join(case)}", "", *_table(chosen), ""]
    text = (
        "Training pass (forward pass alone) over that of Keras's BatchNormalization + ReLU; the "
        "training pass's share of the speed of memory, as a copy has it, where it was measured; "
        "what a layer keeps for its backward pass, in inputs of the first shape."
    )
    (folder / "layers.md").write_text("\n".join([text, "", *lines]), encoding="utf-8")


def _table(rows: list[dict]) -> list[str]:
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    timed = {(row["layer"], row["shape"], row["pass"]): row for row in rows}
    keeps = {row["layer"]: f"{row['keeps']:.1f}" for row in rows if "keeps" in row}
    lines = [f"| layer | {' | '.join(shapes)} | keeps |", f"| --- |{' ---: |' * (len(shapes) + 1)}"]
    for layer in layers:
        cells = [
            _cell(*(timed.get((layer, s, p)) for p in ("training", "forward"))) for s in shapes
        ]
        lines.append(f"| {layer} | {' | '.join(cells)} | {keeps.get(layer, '')} |")
    return lines


def _cell(training: dict | None, forward: dict | None) -> str:
    if training is None or forward is None:
        return ""
    share = f", {training['share']:.0%}" if "share" in training else ""
    return f"{training['ratio']:.2f} ({forward['ratio']:.2f}){share}"


def _bars(axis, layer: str, rows: list[dict]) -> None:
    shapes = list(dict.fromkeys(row["shape"] for row in rows))[:_SHAPES]
    ratios = {(row["shape"], row["layer"]): row["ratio"] for row in rows}
    kinds = []
    for kind, (label, color) in _BARS.items():
        found = [ratios.get((shape, f"{layer} {kind}".strip())) for shape in shapes]
        if any(found):
            kinds.append((label, color, found))
    grouped_bars.draw(axis, shapes, kinds, _RIVAL, "%.1f")
    axis.set_yscale("log")
    axis.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axis.minorticks_off()
