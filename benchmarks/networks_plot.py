"""The figure and the table of `benchmarks.networks`."""

import json
import pathlib

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks import grouped_bars
from benchmarks.contenders import RIVAL

_COLORS = {
    "bn_relu": "#b0b0b0",
    "gn_relu": "#e09f3e",
    "evonorm_b0": "#2a6f97",
    "evonorm_s0": "#89c2d9",
}


def draw(folder: pathlib.Path) -> None:
    """Draws FOLDER/networks.png, the times in FOLDER/networks.json: a row for each machine."""
    machines = _machines(folder)
    height = 1 + 3 * len(machines)
    figure, axes = plt.subplots(len(machines), figsize=(10, height), sharey=True, squeeze=False)
    for axis, (machine, results) in zip(axes[:, 0], machines.items(), strict=True):
        _bars(axis, results)
        axis.set_title(machine, fontsize=9)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.suptitle("A whole training step, two CPU cores, float32")
    figure.tight_layout(rect=(0, 0.3 / height, 1, 1))
    figure.savefig(folder / "networks.png", dpi=120)
    plt.close(figure)


def _bars(axis, results: dict[str, dict]) -> None:
    kinds = [
        (
            layer,
            _COLORS.get(layer),
            [result["layers"].get(layer, {}).get("ratio") for result in results.values()],
        )
        for layer in _layers(results)
        if layer != RIVAL
    ]
    titles = [_title(name, result).replace(", ", "\n") for name, result in results.items()]
    grouped_bars.draw(axis, titles, kinds, f"Keras {RIVAL.partition(' ')[2]}", "%.2f")
    axis.set_ylabel("time over Keras BN + ReLU")


def tabulate(folder: pathlib.Path) -> None:
    """Writes FOLDER/networks.md from FOLDER/networks.json."""
    lines = [
        "Time of a training step over that with Keras's BatchNormalization + ReLU; in brackets the "
        "images of the largest batch whose step fits in the memory given, where that was measured.",
        "",
    ]
    for machine, results in _machines(folder).items():
        lines += [f"## {machine}", "", *_table(results), ""]
    (folder / "networks.md").write_text("\n".join(lines), encoding="utf-8")


def _table(results: dict[str, dict]) -> list[str]:
    layers = _layers(results)
    lines = [f"| network | {' | '.join(layers)} |", f"| --- |{' ---: |' * len(layers)}"]
    for name, result in results.items():
        cells = [_cell(result["layers"].get(layer)) for layer in layers]
        lines.append(f"| {_title(name, result)} | {' | '.join(cells)} |")
    return lines


def _machines(folder: pathlib.Path) -> dict[str, dict]:
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
