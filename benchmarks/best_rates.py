"""Found layers and BN-ReLU, each at the learning rate that is best for it.

    python -m benchmarks.best_rates FILE FILE ... [--out docs/search/NAME.md]

The files are those of `benchmarks.discovery`, which differ in their learning rates alone. A layer's
best rate is the one with the highest mean in these trainings, so every layer gains by the choice,
and most the one whose trainings differ most.
"""

import argparse
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.discovery import REFERENCE, Scores, by_seed, compared, shown
from benchmarks.resumable import read

Rates = Mapping[float, Scores]


def main() -> None:
    """Prints the table, and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    text = report(by_rate([read(path) for path in options.files]))
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    print(text)


def by_rate(records: Sequence[Mapping[str, Any]]) -> Rates:
    """The scores of each rate.

    Raises:
      SystemExit: for records that differ in another setting.
    """
    settings = [dict(record["evaluation"]) for record in records]
    rates = [each.pop("learning_rate") for each in settings]
    for each in settings[1:]:
        if each != settings[0]:
            different = sorted(key for key in each if each[key] != settings[0].get(key))
            raise SystemExit(f"the files must differ in learning_rate alone, not in {different}")
    return {rate: record["scores"] for rate, record in sorted(zip(rates, records, strict=True))}


def report(rates: Rates) -> str:
    """A row for each layer: its mean at each rate, and its difference to BN-ReLU, best to best."""
    means = {
        layer: {
            rate: statistics.fmean(by_seed(scores[layer]).values())
            for rate, scores in rates.items()
            if layer in scores
        }
        for layer in dict.fromkeys(layer for scores in rates.values() for layer in scores)
    }
    best = {layer: max(found, key=found.__getitem__) for layer, found in means.items()}
    chosen = {layer: rates[rate][layer] for layer, rate in best.items()}
    everywhere = [layer for layer in means if len(means[layer]) == len(rates)]
    differences = compared(chosen, [layer for layer in everywhere if layer != REFERENCE])
    lines = [
        "| layer | " + " | ".join(f"rate {rate:g}" for rate in rates) + " | above BN-ReLU | p |",
        "| --- |" + " ---: |" * (len(rates) + 2),
    ]
    for layer in sorted(everywhere, key=lambda name: -means[name][best[name]]):
        cells = [f"{means[layer][rate]:.1f}" for rate in rates]
        lead = p = ""
        if layer in differences:
            row = differences[layer]
            lead, p = f"{row['lead']:+.1f} ± {row['standard_error']:.1f}", f"{row['p_holm']:.2g}"
        lines.append(f"| `{shown(layer)}` | {' | '.join(cells)} | {lead} | {p} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
