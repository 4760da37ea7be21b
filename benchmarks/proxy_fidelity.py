"""How well a proxy task ranks layers: its scores of known layers against the paper's on ImageNet.

    python -m benchmarks.proxy_fidelity --out FILE [--preset demo] [--seeds 3] [--set ...]

Every registered layer, and three activations without a normalization, are trained on each anchor
of a configuration as the search trains candidates. For each choice of these anchors, the report has

* Kendall's tau-b of the fitness with each column of the paper's tables 3, 4 and 7, and of these
  columns with each other, by the layers that both have;
* the share of pairs (broken layer, good layer) in the right order, seed by seed;
* the distance from the best broken layer to the worst good one, in its standard errors;
* the largest fitness without a normalization, below BN-ReLU's;
* the processor seconds of a layer's training.

FILE keeps every score; a stopped run resumes with those that are missing. The report is also
written next to it, as Markdown.
"""

import argparse
import itertools
import pathlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.processor_time import timed
from benchmarks.resumable import TRAINING, Record
from evonorm_tf import registry
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from search.cli import quiet_tensorflow
from search.config import Config
from search.evaluation.images import load_data
from search.presets import preset

# Top-1 accuracies in percent; 0.1 is random guess. Table 7's are means of its three runs.
PAPER: dict[str, dict[str, float]] = {
    "resnet50": {
        "bn_relu": 76.3, "bn_silu": 76.6, "random": 0.1, "random_rej": 71.7, "rs_rej": 75.8,
        "evonorm_b0": 76.6, "evonorm_b1": 76.1, "evonorm_b2": 76.6, "gn_relu": 75.3, "frn": 75.6,
        "evonorm_s0": 76.1, "evonorm_s1": 76.1, "evonorm_s2": 76.0, "b0_no_v1x": 29.0,
        "b0_no_local": 4.1, "b0_no_global": 0.1, "b0_max_to_add": 0.1,
    },
    "resnet50_fancy": {
        "bn_relu": 77.7, "bn_silu": 78.2, "random": 0.1, "random_rej": 55.3, "rs_rej": 77.5,
        "evonorm_b0": 78.4, "evonorm_b1": 78.0, "evonorm_b2": 78.4, "gn_relu": 77.1, "frn": 54.7,
        "evonorm_s0": 78.3, "evonorm_s1": 78.2, "evonorm_s2": 77.9,
    },
    "mobilenet_v2": {
        "bn_relu": 73.4, "bn_silu": 74.5, "random": 0.1, "random_rej": 0.1, "rs_rej": 73.5,
        "evonorm_b0": 75.0, "evonorm_b1": 74.6, "evonorm_b2": 74.6, "gn_relu": 72.2, "frn": 73.4,
        "evonorm_s0": 73.9, "evonorm_s1": 73.6, "evonorm_s2": 73.7,
    },
}  # fmt: skip
BROKEN = ("random", "random_rej", "b0_no_v1x", "b0_no_local", "b0_no_global", "b0_max_to_add")
UNNORMALIZED = {
    "relu": LayerGraph((Node("MAX", (0, 1)),)),
    "tanh": LayerGraph((Node("TANH", (0,)),)),
    "silu": LayerGraph((Node("SIGMOID", (0,)), Node("MUL", (0, 4)))),
}
GOOD = tuple(name for name in registry.names() if name in PAPER["resnet50"] and name not in BROKEN)
LAYERS = (*registry.names(), *UNNORMALIZED)

_COLUMNS = {
    "resnet50": "ResNet-50",
    "resnet50_fancy": "ResNet-50, augmented, twice as long, cosine schedule",
    "mobilenet_v2": "MobileNetV2",
}

# Of a layer, for each seed, the accuracy on each anchor; and the processor seconds of each.
Scores = dict[str, dict[str, dict[str, float]]]


def measure(config: Config, seeds: int, path: pathlib.Path) -> Record:
    """Trains what FILE lacks; returns its record."""
    # A layer's fitness is the mean over all anchors of the file.
    record = Record(path, vars(config.evaluation), (*TRAINING, "anchors"))
    for seed in range(seeds):
        for anchor in config.evaluation.anchors:
            for layer, accuracy, seconds in _missing(config, anchor, seed, record.scores):
                places = record.scores.setdefault(layer, {}).setdefault(str(seed), {})
                places[anchor] = {"accuracy": accuracy, "seconds": seconds}
                record.write()
                print(f"seed {seed} {anchor} {layer}: {accuracy:.3f}, {seconds:.1f} s", flush=True)
    return record


def _missing(config, anchor: str, seed: int, scores: Scores) -> Iterator[tuple[str, float, float]]:
    from search.evaluation.anchor_trainer import AnchorTrainer

    settings = config.evaluation
    layers = [name for name in LAYERS if anchor not in scores.get(name, {}).get(str(seed), {})]
    if not layers:
        return
    images = load_data(settings)
    shared = AnchorTrainer(anchor, images, settings, seed)
    for layer in layers:
        graph = UNNORMALIZED.get(layer) or registry.graph(layer)
        trainer = shared
        if graph is None:
            trainer = AnchorTrainer(anchor, images, settings, seed, norm_act=layer)
        trainer.start(graph)
        yield layer, *timed(_accuracy, trainer, settings.steps, images.validation)


def _accuracy(trainer, steps: int, images) -> float:
    return trainer.accuracy(images) if trainer.train(0, steps) else 0.0


def summarize(scores: dict[str, Any], anchors: Sequence[str]) -> dict[str, Any]:
    """The figures of the report for some of the anchors; accuracies in percent."""
    fitness = {
        layer: [
            100 * statistics.fmean(places[anchor]["accuracy"] for anchor in anchors)
            for places in by_seed.values()
        ]
        for layer, by_seed in scores.items()
    }
    means = {layer: statistics.fmean(values) for layer, values in fitness.items()}
    taus = {column: _tau(means, known) for column, known in PAPER.items()}
    pairs = [
        low < high
        for broken in BROKEN
        for good in GOOD
        for low, high in zip(fitness[broken], fitness[good], strict=True)
    ]
    worst, best = min(GOOD, key=means.__getitem__), max(BROKEN, key=means.__getitem__)
    error = (_variance(fitness[worst]) + _variance(fitness[best])) ** 0.5
    seconds = [
        sum(places[anchor]["seconds"] for anchor in anchors)
        for layer, by_seed in scores.items()
        if layer in UNNORMALIZED or registry.graph(layer)  # as candidates are trained
        for places in by_seed.values()
    ]
    return {
        "fitness": means,
        "standard_error": {layer: _variance(values) ** 0.5 for layer, values in fitness.items()},
        "tau": taus,
        "share_in_order": statistics.fmean(pairs),
        "separation": (means[worst] - means[best]) / error if error else None,
        "unnormalized_below_bn_relu": means["bn_relu"] - max(map(means.__getitem__, UNNORMALIZED)),
        "seconds": statistics.median(seconds),
    }


def _tau(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Kendall's tau-b over the layers that both have."""
    from scipy import stats

    layers = [layer for layer in one if layer in other]
    values = ([scores[layer] for layer in layers] for scores in (one, other))
    return float(stats.kendalltau(*values).statistic)


def _variance(values: list[float]) -> float:
    """Of the mean."""
    return statistics.variance(values) / len(values) if len(values) > 1 else 0.0


def main() -> None:
    """Measures, prints the report, and adds it to the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.FIELD=VALUE")
    options = parser.parse_args()
    quiet_tensorflow()
    config = preset(options.preset).override(options.set)
    record = measure(config, options.seeds, options.out)
    record.contents["summaries"] = summaries(record.scores, config.evaluation.anchors)
    record.write()
    text = report(record.contents)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def summaries(scores: dict[str, Any], anchors: Sequence[str]) -> list[dict[str, Any]]:
    """The figures for each choice of anchors, all of them last."""
    sizes = range(1, len(anchors) + 1)
    chosen = itertools.chain.from_iterable(itertools.combinations(anchors, n) for n in sizes)
    return [{"anchors": list(each), **summarize(scores, each)} for each in chosen]


def report(result: dict[str, Any]) -> str:
    """The figures and the accuracies as Markdown tables."""
    anchors, scores = result["evaluation"]["anchors"], result["scores"]
    titles = [
        "anchors",
        *(f"tau, {column}" for column in _COLUMNS.values()),
        "pairs in order",
        "good above broken",
        "BN-ReLU above none",
        "CPU seconds",
    ]
    lines = [f"| {' | '.join(titles)} |", "| --- |" + " ---: |" * (len(titles) - 1)]
    lines += [f"| {' | '.join(_cells(summary))} |" for summary in result["summaries"]]
    summary = result["summaries"][-1]
    lines += ["", _agreement(), ""]
    lines += [f"| layer | | fitness | {' | '.join(f'`{anchor}`' for anchor in anchors)} |"]
    lines += ["| --- | --- | ---: |" + " ---: |" * len(anchors)]
    for layer, mean in sorted(summary["fitness"].items(), key=lambda pair: -pair[1]):
        places = list(scores[layer].values())
        means = [
            statistics.fmean(place[anchor]["accuracy"] for place in places) for anchor in anchors
        ]
        cells = [f"{100 * each:.1f}" for each in means]
        fitness = f"{mean:.1f} ± {summary['standard_error'][layer]:.1f}"
        lines.append(f"| `{layer}` | {_kind(layer)} | {fitness} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _agreement() -> str:
    """The paper's columns compared with each other."""
    taus = [
        f"{_tau(PAPER[one], PAPER[other]):.3f} ({_COLUMNS[one]} and {_COLUMNS[other]})"
        for one, other in itertools.combinations(PAPER, 2)
    ]
    return f"Tau-b of the paper's columns with each other: {'; '.join(taus)}."


def _cells(summary: dict[str, Any]) -> list[str]:
    separation = summary["separation"]
    return [
        ", ".join(f"`{anchor}`" for anchor in summary["anchors"]),
        *(f"{tau:.3f}" for tau in summary["tau"].values()),
        f"{100 * summary['share_in_order']:.1f} %",
        "one seed" if separation is None else f"{separation:.1f}",
        f"{summary['unnormalized_below_bn_relu']:.1f}",
        f"{summary['seconds']:.0f}",
    ]


def _kind(layer: str) -> str:
    if layer in BROKEN:
        return "broken"
    return "no normalization" if layer in UNNORMALIZED else "good" if layer in GOOD else ""


if __name__ == "__main__":
    main()
