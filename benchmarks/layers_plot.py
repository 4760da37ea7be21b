"""The figure and the tables of `benchmarks.layers`."""

import json
import pathlib

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

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
_TICKS = (1, 2, 5, 10, 20)


def draw(folder: pathlib.Path) -> None:
    """Draws FOLDER/layers.png from FOLDER/layers.json."""
    rows = json.loads((folder / "layers.json").read_text(encoding="utf-8"))
    rows = [row for row in rows if (row["dtype"], row["how"]) == ("float32", "function")]
    rows = [row for row in rows if row["pass"] == "training"]
    shapes = list(dict.fromkeys(row["shape"] for row in rows))[:_SHAPES]
    ratios = {(row["shape"], row["layer"]): row["ratio"] for row in rows}
    figure, axes = plt.subplots(1, len(_LAYERS), figsize=(10, 4.6), sharey=True, squeeze=False)
    for axis, layer in zip(axes[0], _LAYERS, strict=True):
        _bars(axis, layer, shapes, ratios)
    axes[0][0].set_ylabel("time over Keras BN + ReLU")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.suptitle("Forward and backward pass of one layer, two CPU cores, float32")
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    figure.savefig(folder / "layers.png", dpi=120)
    plt.close(figure)


def tabulate(folder: pathlib.Path) -> None:
    """Writes FOLDER/layers.md from FOLDER/layers.json."""
    rows = json.loads((folder / "layers.json").read_text(encoding="utf-8"))
    cases = list(dict.fromkeys((row["dtype"], row["how"]) for row in rows))
    lines = []
    for case in cases:
        chosen = [row for row in rows if (row["dtype"], row["how"]) == case]
        lines += [f"## {', '.join(case)}", "", *_table(chosen), ""]
    text = (
        "Training pass (forward pass alone) over that of Keras's BatchNormalization + ReLU; what "
        "a layer keeps for its backward pass, in inputs of the first shape."
    )
    (folder / "layers.md").write_text("\n".join([text, "", *lines]), encoding="utf-8")


def _table(rows: list[dict]) -> list[str]:
    shapes = list(dict.fromkeys(row["shape"] for row in rows))
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    ratios = {(row["layer"], row["shape"], row["pass"]): row.get("ratio") for row in rows}
    keeps = {row["layer"]: f"{row['keeps']:.1f}" for row in rows if "keeps" in row}
    lines = [f"| layer | {' | '.join(shapes)} | keeps |", f"| --- |{' ---: |' * (len(shapes) + 1)}"]
    for layer in layers:
        cells = [
            _cell(*(ratios.get((layer, s, p)) for p in ("training", "forward"))) for s in shapes
        ]
        lines.append(f"| {layer} | {' | '.join(cells)} | {keeps.get(layer, '')} |")
    return lines


def _cell(training: float | None, forward: float | None) -> str:
    return "" if training is None or forward is None else f"{training:.2f} ({forward:.2f})"


def _bars(axis, layer: str, shapes: list[str], ratios: dict) -> None:
    kinds = [
        kind for kind in _BARS if any((s, f"{layer} {kind}".strip()) in ratios for s in shapes)
    ]
    width = 0.8 / max(len(kinds), 1)
    for place, kind in enumerate(kinds):
        label, color = _BARS[kind]
        heights = [ratios.get((shape, f"{layer} {kind}".strip()), 1.0) for shape in shapes]
        left = [index - 0.4 + width * (place + 0.5) for index in range(len(shapes))]
        bars = axis.bar(left, heights, width * 0.95, color=color, label=label)
        axis.bar_label(bars, fmt="%.1f", fontsize=7)
    axis.axhline(1.0, color="black", linewidth=1, label="Keras BN + ReLU")
    axis.set_xticks(range(len(shapes)), shapes)
    axis.set_yscale("log")
    axis.set_yticks(_TICKS, list(map(str, _TICKS)))
    axis.minorticks_off()
    axis.set_title(layer)
    axis.spines[["top", "right"]].set_visible(False)
