"""A made-up run: real graphs, real mutations, scores drawn from a seeded generator."""

import pathlib
from typing import Any

import numpy as np

from evonorm_tf import registry
from evonorm_tf.graph.layer_graph import LayerGraph
from search import mutate_graph, sample_graph
from search.presets import preset
from search.storage.candidate import Candidate
from search.storage.store import Store

ANCHORS = ("mobilenet_v2_small", "efficientnet_small", "resnet_small")
BASELINES = {"bn_relu": 0.94, "evonorm_b0": 0.95, "evonorm_s0": 0.955}
_REASONS = ("constant", "no_input", "not_finite", "zero_gradient", "quality", "stability")
_WEIGHTS = (0.25, 0.2, 0.1, 0.05, 0.3, 0.1)


def write_run(run_dir: pathlib.Path, size: int, seed: int = 0, best: float = 0.97, overrides=()):
    """A run of `size` genotypes whose accuracies rise towards `best`."""
    rng = np.random.default_rng(seed)
    config = preset("demo").override([f"method.seed={seed}", *overrides])
    meta = {"config": config.to_dict(), "elapsed": 400.0}
    with Store.create(run_dir, meta) as store:
        for number, (name, level) in enumerate(BASELINES.items(), start=1):
            store.add(_baseline(number, name, _scores(rng, level)))
        accepted: list[Candidate] = []
        for number in range(len(BASELINES) + 1, len(BASELINES) + 1 + size):
            row = _genotype(rng, number, accepted, best)
            accepted += [row] if row.status == "accepted" else []
            store.add(row)
    return run_dir


def add_final(
    run_dir: pathlib.Path, found: float, rivals: dict[str, float], spread: float = 0.004
) -> None:
    """Adds what reranking and the comparison on the test split write: the third layer wins."""
    with Store.open(run_dir) as store:
        first, second, third = store.top(3)
        order = ((third, 0.97), (first, 0.96), (second, 0.95))
        store.set_meta("rerank", [_reranked(row, mean) for row, mean in order])
        baselines = [(row, rivals[row.name]) for row in store.baselines()]
        table = [_compared(row, mean, spread) for row, mean in [(third, found), *baselines]]
        store.set_meta("comparison", sorted(table, key=lambda entry: -entry["mean"]))


def graph_json(name: str = "evonorm_b0") -> str:
    """A published layer's graph, as a genotype's row holds it."""
    return registry.graph(name).to_json()


def _reranked(row: Candidate, mean: float) -> dict[str, Any]:
    networks = dict.fromkeys(ANCHORS, mean)
    return {"id": row.id, "formula": row.formula, "networks": networks, "mean": mean}


def _compared(row: Candidate, mean: float, spread: float) -> dict[str, Any]:
    accuracies = {anchor: [mean - spread, mean, mean + spread] for anchor in ANCHORS}
    entry = {"id": row.id, "name": row.name, "formula": row.formula, "mean": mean}
    return {**entry, "accuracies": accuracies}


def _baseline(number: int, name: str, scores: dict[str, float]) -> Candidate:
    graph = registry.graph(name)
    return _accepted(
        number,
        scores,
        origin="baseline",
        name=name,
        graph=graph.to_json() if graph else None,
        formula=graph.formula() if graph else "max(z, 0), z = (x - mu) / s * gamma + beta",
    )


def _genotype(rng: np.random.Generator, number: int, accepted: list, best: float) -> Candidate:
    parent = None
    graph = sample_graph(rng)
    if accepted and rng.random() < 0.6:
        chosen = max(rng.choice(len(accepted), 3), key=lambda index: accepted[index].fitness)
        parent = accepted[chosen]
        graph = mutate_graph(LayerGraph.from_json(parent.graph), rng)
    fields = {
        "origin": "mutation" if parent else "random",
        "parent": parent.id if parent else None,
        "graph": graph.to_json(),
        "formula": graph.formula(),
    }
    if not _is_rich(graph) or rng.random() < 0.3:
        reason = str(rng.choice(_REASONS, p=_WEIGHTS))
        accuracy = {ANCHORS[0]: float(0.1 + 0.09 * rng.random())} if reason == "quality" else {}
        stages = {"quality": {"seconds": 0.4, "accuracies": accuracy}}
        times = {"created": 1e9 + number, "finished": 1e9 + number + 0.5, "seconds": 0.5}
        return Candidate(number, status="rejected", reason=reason, stages=stages, **times, **fields)
    if accepted and rng.random() < 0.2:
        twin = accepted[int(rng.integers(len(accepted)))]
        copied = {"scores": twin.scores, "fitness": twin.fitness, "duplicate_of": twin.id}
        times = {"created": 1e9 + number, "finished": 1e9 + number + 0.1, "seconds": 0.1}
        return Candidate(number, status="duplicate", **copied, **times, **fields)
    level = best - 0.5 * rng.random() ** 2 / (1 + number / 40)
    return _accepted(number, _scores(rng, level), **fields)


def _is_rich(graph: LayerGraph) -> bool:
    """Whether the graph reads its input and is worth drawing."""
    return 0 in graph.live() and len(graph.live()) > 4


def _accepted(number: int, scores: dict[str, float], **fields) -> Candidate:
    return Candidate(
        number,
        status="accepted",
        scores=scores,
        fitness=float(np.mean(list(scores.values()))),
        seconds=4.0,
        host="laptop",
        created=1e9 + number,
        finished=1e9 + number + 4.0,
        **fields,
    )


def _scores(rng: np.random.Generator, level: float) -> dict[str, float]:
    drawn = np.clip(level + rng.normal(0, 0.008, len(ANCHORS)), 0.1, 1.0)
    return dict(zip(ANCHORS, drawn.round(4).tolist(), strict=True))
