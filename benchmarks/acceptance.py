"""Whether a preset's quality and stability tests let known good layers pass.

    python -m benchmarks.acceptance --out FILE [--preset paper-b] [--seeds 2] [--set ...]

The six EvoNorms and the networks' own layers go through both tests on each anchor. They are the
registered layers, which compute the same as candidates and are faster in large networks. FILE
keeps every result; a stopped run resumes with those that are missing, so a part of the figures can
be measured at a time (`--layers`, `--anchors`). A table is written next to it.
"""

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.resumable import TRAINING, Record
from search.cli import quiet_tensorflow
from search.config import Evaluation
from search.evaluation.images import load_data
from search.presets import preset
from trainers.data import ImageData
from trainers.models.anchors import ANCHORS

EVONORMS = tuple(f"evonorm_{series}" for series in ("b0", "b1", "b2", "s0", "s1", "s2"))
BASELINE = "baseline"  # stands for the layer that the published network has
# What the tests depend on, in addition to the training.
TESTS = ("quality_steps", "stability_test", "stability_steps", "stability_batch", "stability_rate")
Result = dict[str, Any]


def main() -> None:
    """Measures what is missing, and writes the results and the table."""
    options = _options()
    settings = preset(options.preset).override(options.set).evaluation
    anchors = options.anchors or settings.anchors
    record = Record(options.out, vars(settings), (*TRAINING, *TESTS))
    quiet_tensorflow()
    images = load_data(settings)
    for seed in range(options.seeds):
        for anchor in anchors:
            for layer in options.layers:
                results = record.scores.setdefault(layer, {}).setdefault(anchor, {})
                result = results.get(str(seed), {})
                if "accuracy" in result and ("norm" in result or not settings.stability_test):
                    continue
                results[str(seed)] = tested(images, settings, anchor, layer, seed, result)
                record.write()
                print(f"{anchor} {layer} seed {seed}: {results[str(seed)]}", flush=True)
    text = report(record.scores, settings)
    record.path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def tested(
    images: ImageData,
    settings: Evaluation,
    anchor: str,
    layer: str,
    seed: int,
    known: Result | None = None,
) -> Result:
    """The accuracy of the quality test, and the norm of the stability test if it is asked for.

    The tests that `known` has results of are not repeated.
    """
    from search.evaluation.anchor_trainer import AnchorTrainer

    name = ANCHORS[anchor].baseline if layer == BASELINE else layer
    trainer = AnchorTrainer(anchor, images, settings, seed, norm_act=name)
    trainer.start(None)
    result = dict(known or {})
    if "accuracy" not in result:
        start = time.perf_counter()
        finite = trainer.train(0, settings.quality_steps)
        result["accuracy"] = trainer.accuracy(images.validation) if finite else 0.0
        result["quality_seconds"] = time.perf_counter() - start
    if settings.stability_test and "norm" not in result:
        start = time.perf_counter()
        norm, steps = trainer.largest_gradient()
        # JSON has no infinity.
        result |= {"norm": norm if math.isfinite(norm) else None, "stability_steps": steps}
        result["stability_seconds"] = time.perf_counter() - start
    return result


def report(record: Mapping[str, Mapping[str, Mapping[str, Result]]], settings: Evaluation) -> str:
    """A row for each layer, a column for each anchor: what it got, and whether it passes."""
    anchors = list(dict.fromkeys(anchor for results in record.values() for anchor in results))
    lines = [
        "| layer | " + " | ".join(f"`{anchor}`" for anchor in anchors) + " |",
        "| --- |" + " --- |" * len(anchors),
    ]
    for layer, results in record.items():
        cells = [
            "; ".join(_cell(result, settings) for result in results.get(anchor, {}).values())
            for anchor in anchors
        ]
        lines.append(f"| {layer} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(result: Result, settings: Evaluation) -> str:
    least = settings.quality_ratio / 10
    text = f"{100 * result['accuracy']:.1f} %"
    passes = result["accuracy"] >= least
    if "norm" in result:
        norm = math.inf if result["norm"] is None else result["norm"]
        text += f", norm {norm:.2g}"
        passes = passes and norm <= settings.stability_limit
    return text if passes else f"{text} (rejected)"


def _options() -> argparse.Namespace:
    def names(text: str) -> Sequence[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--preset", default="paper-b")
    parser.add_argument("--anchors", type=names)
    parser.add_argument("--layers", type=names, default=(BASELINE, *EVONORMS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--set", action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
