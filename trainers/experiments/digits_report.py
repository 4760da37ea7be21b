"""Table and figure of the study on the digits."""

import json
import pathlib
import statistics
from typing import Any

from trainers.experiments import digits

Run = dict[str, Any]
SHOWN = {  # layers that the figure names, with their colours; the others are grey
    "bn_relu": "#d62728",
    "gn_relu": "#1f77b4",
    "evonorm_b0": "#ff7f0e",
    "evonorm_s0": "#2ca02c",
}


def read(journal: pathlib.Path) -> list[Run]:
    """The finished runs; none if there is no journal yet."""
    if not journal.exists():
        return []
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def write(runs: list[Run], output: pathlib.Path) -> None:
    """Writes digits.md and digits.png."""
    (output / "digits.md").write_text(table(runs), encoding="utf-8")
    _figure(runs, output / "digits.png")


def table(runs: list[Run]) -> str:
    """A Markdown table: mean and standard deviation of accuracy in percent."""
    sizes = digits.BATCH_SIZES
    rows = [
        "| layer | " + " | ".join(f"{size} images/step" for size in sizes) + " |",
        "| --- |" + " ---: |" * len(sizes),
    ]
    for layer in digits.LAYERS:
        cells = " | ".join(_cell(runs, layer, size) for size in sizes)
        rows.append(f"| {layer} | {cells} |")
    return "\n".join(rows) + "\n"


def summary(runs: list[Run], layer: str, size: int) -> tuple[float, float] | None:
    """Mean and sample standard deviation of the accuracy in percent; None without runs."""
    scores = [
        100 * run["accuracy"] for run in runs if (run["layer"], run["batch_size"]) == (layer, size)
    ]
    if not scores:
        return None
    return statistics.mean(scores), statistics.stdev(scores) if len(scores) > 1 else 0.0


def _cell(runs: list[Run], layer: str, size: int) -> str:
    accuracy = summary(runs, layer, size)
    if accuracy is None:
        return "-"
    diverged = sum(
        bool(run["first_bad_step"])
        for run in runs
        if (run["layer"], run["batch_size"]) == (layer, size)
    )
    note = f" ({diverged} not finite)" if diverged else ""
    return f"{accuracy[0]:.1f} ± {accuracy[1]:.1f}{note}"


def _figure(runs: list[Run], path: pathlib.Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for layer in sorted(digits.LAYERS, key=lambda layer: layer in SHOWN):
        summaries = [(size, summary(runs, layer, size)) for size in digits.BATCH_SIZES]
        points = [(size, *value) for size, value in summaries if value]
        if not points:
            continue
        shown = layer in SHOWN
        sizes, means, deviations = zip(*points, strict=True)
        axes.errorbar(
            sizes,
            means,
            deviations,
            marker="o" if shown else None,
            color=SHOWN.get(layer, "#c8c8c8"),
            linewidth=2 if shown else 1,
            label=layer if shown else None,
            capsize=3 if shown else 0,
        )
    axes.plot([], [], color="#c8c8c8", label="the other nine layers")
    axes.set_xscale("log", base=2)
    axes.set_xticks(digits.BATCH_SIZES, [str(size) for size in digits.BATCH_SIZES])
    axes.invert_xaxis()
    axes.set_xlabel("images a step (learning rate scaled linearly)")
    axes.set_ylabel("test accuracy, %")
    axes.set_title("Digits, ResNet-small: mean and deviation of three seeds")
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
