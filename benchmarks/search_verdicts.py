"""Verdicts a minute: networks that are traced once, and networks that are traced for each layer.

    python -m benchmarks.search_verdicts --run RUN_DIR [--evaluated 40] [--json FILE]

The layers are a search's own genotypes, so cheap rejections and full trainings have the shares that
they have in a search. A sample of those that the search has evaluated, at equal distances, goes
through its tests and trainings in both ways, in turn; a sample of those that were settled without a
network is probed, which is the same in both ways. Times are processor seconds of one thread,
without those of the one trace.
"""

import argparse
import json
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.machine import processor
from benchmarks.processor_time import timed
from evonorm_tf.graph.layer_graph import LayerGraph
from search.cli import quiet_tensorflow
from search.config import Config
from search.evaluation.evaluator import Evaluator
from search.evaluation.outcome import Outcome
from search.report.collect import Run, read_run
from search.storage.candidate import Candidate

_PROBED = 500


def compare(run: Run, evaluated: int) -> dict[str, Any]:
    """Both ways on the same genotypes: seconds, verdicts and scores."""
    config = Config.from_dict(run.meta["config"])
    once = Evaluator(config)
    trained = [row for row in run.genotypes if row.was_evaluated]
    settled = [row for row in run.genotypes if not row.was_evaluated and row.graph]
    if run.winner is None:
        raise SystemExit(f"{run.path}: the run has no accepted layer")
    once.evaluate(run.winner.require_layer(), True)  # the one trace
    rows = [_both(row, config, once) for row in _spread(trained, evaluated)]
    probes = [timed(once.probe, row.graph)[1] for row in _spread(settled, _PROBED)]
    probe = statistics.fmean(probes)
    return {
        "genotypes": len(run.genotypes),
        "evaluated": len(trained),
        "probe_seconds": probe,
        **_summary(rows, probe, len(trained) / len(run.genotypes)),
        "rows": rows,
    }


def _both(row: Candidate, config: Config, once: Evaluator) -> dict[str, Any]:
    layer = row.require_layer()
    result: dict[str, Any] = {"genotype": row.id}
    for way, evaluator in (("once", once), ("each", _TracedForEach(config))):
        outcome, seconds = timed(evaluator.evaluate, layer, True)
        result[way] = {"verdict": _verdict(outcome), "scores": outcome.scores, "seconds": seconds}
    print(result, flush=True)
    return result


class _TracedForEach(Evaluator):
    """Builds and traces each network with the layer's `GraphLayer` in it."""

    def _key(self, anchor: str, layer: str) -> tuple[tuple[str, str | None], LayerGraph | None]:
        return (anchor, layer), None

    def _new_trainer(self, anchor: str, name: str | None) -> Any:
        import evonorm_tf as en
        from search.evaluation.anchor_trainer import AnchorTrainer

        graph, settings = LayerGraph.from_json(name or ""), self._settings

        def layer(nonlinearity: bool, name: str) -> Any:
            return en.GraphLayer(
                graph, groups=settings.groups, nonlinearity=nonlinearity, name=name
            )

        seed = self._config.method.seed
        return AnchorTrainer(anchor, self._data, settings, seed, norm_act=layer)


def _summary(rows: Sequence[dict[str, Any]], probe: float, share: float) -> dict[str, Any]:
    """Means over the sample, and what they make a minute of the whole search."""
    seconds = {
        way: statistics.fmean(row[way]["seconds"] for row in rows) for way in ("once", "each")
    }
    per_genotype = {way: probe * (1 - share) + share * seconds[way] for way in seconds}
    accepted = [row for row in rows if row["once"]["scores"] and row["each"]["scores"]]
    differences = [
        abs(row["once"]["scores"][anchor] - row["each"]["scores"][anchor])
        for row in accepted
        for anchor in row["once"]["scores"]
    ]
    return {
        "evaluated_per_minute": {way: 60 / seconds[way] for way in seconds},
        "genotypes_per_minute": {way: 60 / per_genotype[way] for way in seconds},
        "times_faster": seconds["each"] / seconds["once"],
        "verdicts_equal": sum(row["once"]["verdict"] == row["each"]["verdict"] for row in rows),
        "sample": len(rows),
        "mean_difference_of_scores": statistics.fmean(differences) if differences else None,
        "largest_difference_of_scores": max(differences, default=None),
    }


def _verdict(outcome: Outcome) -> str:
    return outcome.reason or outcome.status


def _spread(rows: Sequence[Candidate], count: int) -> Sequence[Candidate]:
    """So many rows at equal distances."""
    count = min(count, len(rows))
    return [rows[index * len(rows) // count] for index in range(count)]


def main() -> None:
    """Prints the comparison, and writes it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--evaluated", type=int, default=40)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    quiet_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    result = {
        "machine": f"{processor()}, 1 thread",
        **compare(read_run(options.run), options.evaluated),
    }
    print(json.dumps({name: result[name] for name in result if name != "rows"}, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
