"""The figure and the table of `benchmarks.networks`."""

import json
import pathlib

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks.contenders import RIVAL

_COLORS = {
    "bn_relu": "#b0b0b0",
    "gn_relu": "#e09f3e",
    "evonorm_b0": "#2a6f97",
    "evonorm_s0": "#89c2d9",
}


def draw(folder: pathlib.Path) -> None:
    """Draws FOLDER/networks.png, the times in FOLDER/networks.json."""
    results = _results(folder)
    layers = [layer for layer in _layers(results) if layer != RIVAL]
    figure, axis = plt.subplots(figsize=(10, 4))
    width = 0.8 / len(layers)
    for place, layer in enumerate(layers):
        rows = [result["layers"].get(layer, {}) for result in results.values()]
        left = [index - 0.4 + width * (place + 0.5) for index in range(len(rows))]
        heights = [row.get("ratio", 0.0) for row in rows]
        bars = axis.bar(left, heights, width * 0.95, color=_COLORS.get(layer), label=layer)
        axis.bar_label(bars, fmt="%.2f", fontsize=7)
    axis.axhline(1.0, color="black", linewidth=1, label=f"Keras {RIVAL.partition(' ')[2]}")
    titles = [_title(name, result).replace(", ", "\n") for name, result in results.items()]
    axis.set_xticks(range(len(titles)), titles, fontsize=8)
    axis.set_ylabel("time over Keras BN + ReLU")
    axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("A whole training step, two CPU cores, float32")
    figure.legend(loc="lower center", ncols=len(layers) + 1, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(folder / "networks.png", dpi=120)
    plt.close(figure)


def tabulate(folder: pathlib.Path) -> None:
    """Writes FOLDER/networks.md from FOLDER/networks.json."""
    results = _results(folder)
    layers = _layers(results)
    lines = [
        "Time of a training step over that with Keras's BatchNormalization + ReLU; in brackets the "
        "images of the largest batch whose step fits in the memory given, where that was measured.",
        "",
        f"| network | {' | '.join(layers)} |",
        f"| --- |{' ---: |' * len(layers)}",
    ]
    for name, result in results.items():
        cells = [_cell(result["layers"].get(layer)) for layer in layers]
        lines.append(f"| {_title(name, result)} | {' | '.join(cells)} |")
    (folder / "networks.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _results(folder: pathlib.Path) -> dict[str, dict]:
    return json.loads((folder / "networks.json").read_text(encoding="utf-8"))


def _layers(results: dict[str, dict]) -> list[str]:
    return list(dict.fromkeys(layer for result in results.values() for layer in result["layers"]))


def _title(name: str, result: dict) -> str:
    return f"{name}, {result['batch']} images of {result['size']}x{result['size']}"


def _cell(row: dict | None) -> str:
    if row is None:
        return ""
    largest = row.get("largest_batch")
    memory = f" ({largest['images']} in {largest['gib']:g} GiB)" if largest else ""
    return f"{row['ratio']:.2f}{memory}"
