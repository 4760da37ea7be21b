"""Grouped bars of several kinds; a line at the rival's 1."""

from collections.abc import Sequence

from matplotlib.axes import Axes


def draw(
    axis: Axes,
    groups: Sequence[str],
    kinds: Sequence[tuple[str, str | None, Sequence]],
    rival: str,
    number: str,
) -> None:
    """Draws ratios.

    Args:
      axis: where to.
      groups: titles below.
      kinds: label, color, and a ratio for each group, or None where there is none.
      rival: label of the line.
      number: how a ratio is written, such as "%.1f".
    """
    width = 0.8 / max(len(kinds), 1)
    for place, (label, color, ratios) in enumerate(kinds):
        there = {index: ratio for index, ratio in enumerate(ratios) if ratio is not None}
        left = [index - 0.4 + width * (place + 0.5) for index in there]
        bars = axis.bar(left, list(there.values()), width * 0.95, color=color, label=label)
        # On white, for the line may pass behind a number.
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axis.bar_label(bars, fmt=number, fontsize=7, padding=1.5, bbox=behind)
    axis.axhline(1.0, color="black", linewidth=1, label=rival)
    axis.set_xticks(range(len(groups)), groups, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)
