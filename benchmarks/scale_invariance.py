"""How far layers are from being scale-invariant: f(a x) = f(x), as appendix E.3 of the paper asks.

    python -m benchmarks.scale_invariance [--table FILE] [--out docs/search/scale_invariance.json]

For a = 10 and a = 1/10 and a random feature map x, the deviation of the output is

    |f(a x) - f(x)| / (|f(a x)| + |f(x)|)

with Euclidean norms, and that of the gradient g for x has a g(a x) in place of f(a x): the gradient
of a scale-invariant function is divided by a. Both are 0 for a scale-invariant layer and 9/11 for a
linear one; the larger one of the two a counts. Layers are those of the registry, and those of the
table of searched layers: a sample of the random ones, the random ones that pass all tests, and the
best tenth of the mutants that do.
"""

import argparse
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks import shares
from benchmarks.cifar_networks import settings_of
from evonorm_tf import registry
from evonorm_tf.files import write_whole
from evonorm_tf.graph.layer_graph import LayerGraph
from evonorm_tf.layers.arguments.settings import effective_groups
from search.evaluation.engine.instructions import Sizes
from search.evaluation.engine.layer_program import LayerProgram, initial_vectors
from search.replay.table import PACKAGED, Table

_SHAPE, _GROUPS = (16, 8, 64), 4  # channels, examples, places
_FACTORS = (0.1, 10.0)
_INVARIANT = 0.01
_SAMPLE, _BEST = 1000, 0.1
KINDS = ("output", "gradient")

# From x and the upstream gradient to the output and the gradient for x.
Run = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def main() -> None:
    """Measures, prints the tables, and writes numbers, tables and figure."""
    options = _options()
    table = Table.load(options.table)
    groups = {name: _deviations(table, rows) for name, rows in populations(table).items()}
    known = {name: _deviation_of(_keras_layer(name)) for name in registry.names()}
    result = {"table": table.summary(), "known": known, "populations": groups}
    write_whole(options.out, (json.dumps(result) + "\n").encode())
    options.out.with_suffix(".md").write_text(report(result), encoding="utf-8")
    _draw(result, options.out.with_suffix(".png"))
    print(report(result))


def populations(table: Table) -> dict[str, np.ndarray]:
    """The rows of each group of layers, one for each function."""
    firsts = np.unique(table.function)
    random = firsts[table.is_random[firsts]]
    rng = np.random.default_rng(0)
    accepted = table.verdict == "accepted"
    evolved = firsts[accepted[firsts] & ~table.is_random[firsts]]
    ranked = evolved[np.argsort(-table.mean_scores[evolved].mean(1))]
    return {
        "random": rng.permutation(random)[:_SAMPLE],
        "random, accepted": random[accepted[random]],
        "evolved, the best tenth": ranked[: max(1, round(_BEST * len(ranked)))],
    }


def deviation(graph: LayerGraph) -> list[float]:
    """The deviations of the output and of the gradient; 1 where a value is not finite."""
    program = LayerProgram(graph)

    def run(x: np.ndarray, upstream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes = Sizes(x.shape, effective_groups(x.shape[0], _GROUPS))
        inputs = {"x": x, **initial_vectors(x.shape[0], np.float64)}
        trained = program.train(inputs, sizes)
        gradients = program.differentiate({**inputs, "upstream": upstream}, trained, sizes)
        return trained.output, np.broadcast_to(gradients[0], x.shape)

    return _deviation_of(run)


def _keras_layer(name: str) -> Run:
    """A registered layer in training, in float64; not all of them have a graph."""
    import tensorflow as tf

    import evonorm_tf as en

    layer = en.get(name, dtype="float64", **settings_of(name, _GROUPS))

    def run(x: np.ndarray, upstream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = tf.constant(np.moveaxis(x, 0, -1)[:, :, None])
        with tf.GradientTape() as tape:
            tape.watch(images)
            output = layer(images, training=True)
            product = tf.reduce_sum(output * np.moveaxis(upstream, 0, -1)[:, :, None])
        return output.numpy(), tape.gradient(product, images).numpy()

    return run


def _deviation_of(run: Run) -> list[float]:
    rng = np.random.default_rng(1)
    channel = (_SHAPE[0], 1, 1)
    x = rng.normal(size=_SHAPE) * rng.uniform(0.5, 2, channel) + rng.normal(0, 0.5, channel)
    upstream = rng.normal(size=_SHAPE)
    deviations = []
    with np.errstate(all="ignore"):
        output, gradient = run(x, upstream)
        for factor in _FACTORS:
            scaled_output, scaled_gradient = run(factor * x, upstream)
            deviations.append(
                [_distance(output, scaled_output), _distance(gradient, factor * scaled_gradient)]
            )
    return np.max(deviations, 0).tolist()


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    size = np.linalg.norm(one) + np.linalg.norm(other)
    distance = np.linalg.norm(one - other) / size if size else 0.0
    return float(distance) if np.isfinite(distance) else 1.0


def _deviations(table: Table, rows: np.ndarray) -> list[list[float]]:
    return [deviation(table.graph(row)) for row in rows]


def report(result: Mapping[str, Any]) -> str:
    """Both tables in Markdown."""
    lines = [
        f"| layers | number | output invariant within {100 * _INVARIANT:.0f} % | gradient |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, rows in result["populations"].items():
        cells = " | ".join(_share(np.array(rows)[:, kind]) for kind in range(len(KINDS)))
        lines.append(f"| {name} | {len(rows):,} | {cells} |")
    lines += ["", "| layer | deviation of the output | of the gradient |", "| --- | ---: | ---: |"]
    for name, (output, gradient) in sorted(result["known"].items(), key=lambda item: item[1]):
        lines.append(f"| `{name}` | {output:.3f} | {gradient:.3f} |")
    return "\n".join(lines) + "\n"


def _share(deviations: np.ndarray) -> str:
    """The share of invariant layers."""
    return shares.percent(int((deviations < _INVARIANT).sum()), len(deviations))


def _draw(result: Mapping[str, Any], path: pathlib.Path) -> None:
    """The cumulative shares of each population, a panel for output and gradient."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
    for kind, axes in enumerate(panels):
        for name, rows in result["populations"].items():
            axes.ecdf(np.array(rows)[:, kind], label=name)
        axes.set_title(KINDS[kind])
        axes.set_xlabel("deviation from scale invariance")
    panels[0].set_ylabel("share of layers with at most that")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", default=PACKAGED)
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("docs/search/scale_invariance.json")
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
