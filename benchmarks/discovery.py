"""Trains found layers and known ones afresh, and compares them on the test split.

    python -m benchmarks.discovery --out FILE --run RUN_DIR [--run RUN_DIR ...] [--seeds 5]
        [--preset demo] [--anchors A,B,C] [--known bn_relu,...] [--set SECTION.FIELD=VALUE ...]

The winner of each run, which the run has chosen without the test split, and the known layers are
trained in every anchor with the same seeds, none of them a seed of a run. The report has, for
each found layer, the mean over seeds of its difference to BN-ReLU, paired by seed, with its
standard error and a one-sided t-test, corrected after Holm for the number of layers; and where the
layers come from.

FILE keeps every score; a stopped run resumes with those that are missing. The report is also
written next to it, as Markdown.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.resumable import TRAINING, Record
from search.cli import quiet_tensorflow
from search.config import Config
from search.evaluation.outcome import ScoreTask
from search.presets import preset
from search.report.collect import Run, read_run
from search.storage.graphs import formula_of
from trainers.studies import estimates

REFERENCE = "bn_relu"
KNOWN = (REFERENCE, "gn_relu", "evonorm_b0", "evonorm_b1", "evonorm_s0")
# Far from the seeds of any run.
FIRST_SEED = 900_000
Scores = dict[str, dict[str, dict[str, float]]]  # layer -> seed -> anchor -> accuracy


def main() -> None:
    """Trains what is missing, and writes the scores and the report."""
    options = _options()
    if options.seeds < 2:
        raise SystemExit(f"--seeds must be at least 2, for a standard error. Got: {options.seeds}")
    if REFERENCE not in options.known:
        raise SystemExit(f"--known must have {REFERENCE}. Got: {','.join(options.known)}")
    config = preset(options.preset).override(options.set)
    anchors = options.anchors or config.evaluation.anchors
    runs = [read_run(folder) for folder in options.run]
    # Winners with one formula are one layer.
    layers = {_formula(run): _graph(run) for run in runs} | {name: name for name in options.known}
    record = Record(options.out, vars(config.evaluation), TRAINING)
    contents, scores = record.contents, record.scores
    contents["runs"] = {run.path.resolve().name: pedigree(run) for run in runs}
    contents["evaluation"]["anchors"] = list(anchors)
    for layer, seed, anchor, accuracy in _trained(config, layers, anchors, options.seeds, scores):
        scores.setdefault(layer, {}).setdefault(str(seed), {})[anchor] = accuracy
        record.write()
        print(f"{layer} {anchor} seed {seed}: {accuracy:.4f}", flush=True)
    contents["comparison"] = compared(scores, [name for name in layers if name not in KNOWN])
    record.write()
    text = report(contents) + "\n" + origins(contents)
    record.path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def pedigree(run: Run) -> dict[str, Any]:
    """Where a found layer comes from."""
    winner = _winner(run)
    return {
        "seed": run.settings["method.seed"],
        "batch_independent": run.settings["space.batch_independent"],
        "search_seconds": round(run.elapsed),
        "genotypes": len(run.genotypes),
        "accepted": len(run.ranking),
        "genotype": winner.id,
        "formula": _formula(run),
        "graph": json.loads(_graph(run)),
        "validation": winner.fitness,
    }


def compared(scores: Scores, found: Sequence[str]) -> dict[str, dict[str, float]]:
    """Each found layer's paired difference to BN-ReLU over the seeds, in points."""
    from scipy import stats

    means = {layer: by_seed(trained) for layer, trained in scores.items()}
    result: dict[str, dict[str, float]] = {}
    for layer in found:
        pairs = sorted(means[layer].keys() & means[REFERENCE].keys())
        lead = [means[layer][seed] - means[REFERENCE][seed] for seed in pairs]
        error = statistics.stdev(lead) / len(lead) ** 0.5
        p = float(stats.ttest_1samp(lead, 0.0, alternative="greater").pvalue)
        result[layer] = {"lead": statistics.fmean(lead), "standard_error": error, "p": p}
    corrected = estimates.holm([row["p"] for row in result.values()])
    for row, p in zip(result.values(), corrected, strict=True):
        row["p_holm"] = p
    return result


def report(record: Mapping[str, Any]) -> str:
    """The comparison as a Markdown table, the best layer first."""
    scores, comparison = record["scores"], record["comparison"]
    anchors = record["evaluation"]["anchors"]
    means = {layer: statistics.fmean(by_seed(scores[layer]).values()) for layer in scores}
    lines = [
        "| layer | test | " + " | ".join(f"`{a}`" for a in anchors) + " | above BN-ReLU | p |",
        "| --- | ---: |" + " ---: |" * len(anchors) + " ---: | ---: |",
    ]
    for layer in sorted(scores, key=lambda name: -means[name]):
        title = f"`{layer}`, known" if layer in KNOWN else f"`{shown(layer)}`"
        cells = [
            f"{100 * statistics.fmean(places[anchor] for places in scores[layer].values()):.1f}"
            for anchor in anchors
        ]
        lead = p = ""
        if layer in comparison:
            row = comparison[layer]
            lead = f"{row['lead']:+.1f} ± {row['standard_error']:.1f}"
            p = f"{row['p_holm']:.2g}"
        lines.append(f"| {title} | {means[layer]:.1f} | {' | '.join(cells)} | {lead} | {p} |")
    return "\n".join(lines) + "\n"


def origins(record: Mapping[str, Any]) -> str:
    """A Markdown table of the runs that the found layers come from."""
    lines = [
        "| found layer | batch statistics | seed | minutes | genotypes | accepted | validation |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for found in record["runs"].values():
        mode = "not allowed" if found["batch_independent"] else "allowed"
        lines.append(
            f"| `{shown(found['formula'])}` | {mode} | {found['seed']} | "
            f"{found['search_seconds'] / 60:.0f} | {found['genotypes']:,} | {found['accepted']} | "
            f"{100 * found['validation']:.1f} |"
        )
    return "\n".join(lines) + "\n"


def shown(layer: str) -> str:
    """A formula without gamma and beta, which all of them have, so that tables are not too wide."""
    return layer.removesuffix(" * gamma + beta")


def by_seed(trained: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean over the anchors in percent, seed by seed."""
    return {seed: 100 * statistics.fmean(places.values()) for seed, places in trained.items()}


def _winner(run: Run) -> Any:
    if run.winner is None:
        raise SystemExit(f"{run.path}: the run has no winner")
    return run.winner


def _formula(run: Run) -> str:
    return formula_of(_winner(run))


def _graph(run: Run) -> str:
    return _winner(run).require_layer()


def _trained(
    config: Config,
    layers: Mapping[str, str],
    anchors: Sequence[str],
    seeds: int,
    scores: Scores,
) -> Iterator[tuple[str, int, str, float]]:
    """Trains what has no score yet; yields layer, seed, anchor and accuracy on the test split."""
    quiet_tensorflow()
    import tensorflow as tf

    from search.evaluation.evaluator import Evaluator

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    evaluator = Evaluator(config)
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for anchor in anchors:
            for name, layer in layers.items():
                if anchor in scores.get(name, {}).get(str(seed), {}):
                    continue
                task = ScoreTask(layer, anchor, 1.0, config.evaluation.steps, seed, None)
                score = evaluator.score(task)
                if score is not None:  # an accuracy never is
                    yield name, seed, anchor, score


def _names(text: str) -> list[str]:
    return text.split(",")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--run", action="append", required=True)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--anchors", type=_names)
    text = "layers to compare with, bn_relu among them; default all of " + ",".join(KNOWN)
    parser.add_argument("--known", type=_names, default=KNOWN, help=text)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    main()
