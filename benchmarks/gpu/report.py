"""The tables and the figure of what `benchmarks.gpu.measure` has measured.

    python -m benchmarks.gpu.report docs/speed [FILE.json ...]

Adds the rows of the files to FOLDER/gpu.json, in place of those of the same device and case, and
writes FOLDER/gpu.md and FOLDER/gpu.png from it.
"""

import argparse
import json
import math
import pathlib

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks import grouped_bars
from benchmarks.contenders import RIVAL

_CASE = ("device", "shape", "dtype", "pass", "layer")
_SIZES = {"float32": 4, "bfloat16": 2}
# From this share on, the GPU waits for launches: a call takes as long as its launch.
_LAUNCH_BOUND = 0.9
_BARS = {
    "keras gn_relu": ("Keras GN + ReLU", "#b0b0b0"),
    "bn_relu": ("BN-ReLU", "#e09f3e"),
    "gn_relu": ("GN-ReLU", "#c1666b"),
    "evonorm_b0": ("EvoNorm-B0", "#2a6f97"),
    "evonorm_s0": ("EvoNorm-S0", "#89c2d9"),
}
_TITLES = {
    "apart": "as in a network: the pass backward begins when the output is there",
    "joined": "joined: the compiler may mix both directions, which no network lets it do",
}


def merged(old: list[dict], new: list[dict]) -> list[dict]:
    """The old rows of other cases, and the new ones."""
    measured = {_case(row) for row in new}
    return [row for row in old if _case(row) not in measured] + new


def _case(row: dict) -> tuple:
    return tuple(row[key] for key in _CASE)


def tables(rows: list[dict]) -> str:
    """In Markdown, a part for each device."""
    lines = [
        "Milliseconds are measured; kernels, array passes and temporaries are the compiler's word. "
        "A pass is a read or a write of an array of the input's size and dtype; the share is that "
        "of passes and milliseconds in the bandwidth of a copy. ≤: the GPU waited for launches."
    ]
    for device in dict.fromkeys(row["device"] for row in rows):
        chosen = [row for row in rows if row["device"] == device and "milliseconds" in row]
        bandwidth = _bandwidth(chosen)
        lines += ["", f"## {device}: a copy moves {bandwidth / 1e12:.2f} TB/s"]
        for kind, title in _TITLES.items():
            of_kind = [row for row in chosen if row["pass"] == kind]
            for shape, dtype in dict.fromkeys((r["shape"], r["dtype"]) for r in of_kind):
                same = [r for r in of_kind if (r["shape"], r["dtype"]) == (shape, dtype)]
                lines += ["", f"{shape}, {dtype}, {title}", "", *_layers(same, bandwidth)]
        steps = [row for row in chosen if row["pass"] == "step"]
        for shape, dtype in dict.fromkeys((row["shape"], row["dtype"]) for row in steps):
            same = [row for row in steps if (row["shape"], row["dtype"]) == (shape, dtype)]
            title = f"ResNet-50's {shape}, {dtype}, a training step of 64 images"
            lines += ["", title, "", *_steps(same)]
    return "\n".join(lines) + "\n"


def _bandwidth(rows: list[dict]) -> float:
    """Bytes a second of the copy."""
    copy = next(row for row in rows if row["layer"] == "copy")
    return 1e3 * copy["bytes"] / copy["milliseconds"]


def _layers(rows: list[dict], bandwidth: float) -> list[str]:
    array = math.prod(map(int, rows[0]["shape"].split("x"))) * _SIZES[rows[0]["dtype"]]
    rival = next(row for row in rows if row["layer"] == RIVAL)
    lines = [
        "| layer | milliseconds | over Keras BN + ReLU | share | passes | kernels | temporaries |",
        f"| --- |{' ---: |' * 6}",
    ]
    for row in rows:
        share = row["bytes"] / (1e-3 * row["milliseconds"]) / bandwidth
        lines.append(
            f"| {row['layer']} | {_milliseconds(row)} "
            f"| {row['milliseconds'] / rival['milliseconds']:.2f} | {share:.2f} "
            f"| {row['bytes'] / array:.1f} | {row['kernels']} | {row['temporaries'] / array:.1f} |"
        )
    return lines


def _steps(rows: list[dict]) -> list[str]:
    rival = next(row for row in rows if row["layer"] == RIVAL)
    lines = [
        "| layer | milliseconds | over Keras BN + ReLU | GB moved | kernels | GB of temporaries |",
        f"| --- |{' ---: |' * 5}",
    ]
    for row in rows:
        lines.append(
            f"| {row['layer']} | {_milliseconds(row)} "
            f"| {row['milliseconds'] / rival['milliseconds']:.2f} | {row['bytes'] / 1e9:.2f} "
            f"| {row['kernels']} | {row['temporaries'] / 1e9:.2f} |"
        )
    return lines


def _milliseconds(row: dict) -> str:
    bound = "≤ " if row["host"] > _LAUNCH_BOUND * row["milliseconds"] else ""
    return f"{bound}{row['milliseconds']:.3f}"


def draw(rows: list[dict], path: pathlib.Path) -> None:
    """Time over Keras's BN + ReLU: a row for each device, a group for each shape and dtype."""
    rows = [row for row in rows if row["pass"] == "apart" and "milliseconds" in row]
    devices = list(dict.fromkeys(row["device"] for row in rows))
    height = 1 + 3 * len(devices)
    figure, axes = plt.subplots(len(devices), figsize=(10, height), sharey=True, squeeze=False)
    for axis, device in zip(axes[:, 0], devices, strict=True):
        _bars(axis, [row for row in rows if row["device"] == device])
        axis.set_title(device, fontsize=9)
        axis.set_ylabel("time over Keras BN + ReLU")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.suptitle("Forward and backward pass of one layer, compiled by XLA")
    figure.tight_layout(rect=(0, 0.3 / height, 1, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _bars(axis, rows: list[dict]) -> None:
    groups = list(dict.fromkeys((row["shape"], row["dtype"]) for row in rows))
    times = {((row["shape"], row["dtype"]), row["layer"]): row["milliseconds"] for row in rows}
    kinds = []
    for layer, (label, color) in _BARS.items():
        ratios = [
            times[group, layer] / times[group, RIVAL] if (group, layer) in times else None
            for group in groups
        ]
        kinds.append((label, color, ratios))
    titles = [f"{shape}\n{dtype}" for shape, dtype in groups]
    grouped_bars.draw(axis, titles, kinds, "Keras BN + ReLU", "%.2f")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.report", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("files", type=pathlib.Path, nargs="*")
    options = parser.parse_args(arguments)
    record = options.folder / "gpu.json"
    rows = _read(record) if record.exists() else []
    for file in options.files:
        rows = merged(rows, _read(file))
    options.folder.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.folder / "gpu.md").write_text(tables(rows), encoding="utf-8")
    draw(rows, options.folder / "gpu.png")


def _read(path: pathlib.Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
