"""Merges the genotypes of runs into one `Table`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search.errors import SearchError
from search.evaluation.outcome import UNPROMISING
from search.evolution.space import PAPER
from search.replay.table import Table, encoded
from search.report.collect import Run, read_run
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of

# Settings that change which layers are trained and how long, but not the result of a training.
_MAY_DIFFER = (
    "audit_fraction", "data_dir", "equivalence_affine", "equivalence_cache", "free_rejections",
    "halving_ratio", "reject_flat", "reject_signal", "reject_unnormalized",
)  # fmt: skip


def merge(run_dirs: Sequence[str | os.PathLike]) -> Table:
    """The genotypes of all runs that have a verdict and use their input.

    Genotypes of different runs have one function if their fingerprints are equal.

    Raises:
      SearchError: as `read_run` does, for runs whose trainings differ, whose graphs have other
        numbers of nodes or primitives, or without any genotype.
    """
    runs = [read_run(folder) for folder in run_dirs]
    settings = _shared_settings(runs)
    for run in runs:
        if list(run.settings.get("space.primitives", [PAPER])) != [PAPER]:
            raise SearchError(
                f"{run.path} draws from other primitives than the paper's, which a table lacks"
            )
    rows = [(run, row) for run in runs for row in run.genotypes if _is_kept(row)]
    if not rows:
        raise SearchError("the runs have no genotype with a verdict")
    nodes = [encoded(graph_of(row)) for _, row in rows]
    if len({len(each) for each in nodes}) != 1:
        raise SearchError("all graphs of a table must have the same number of nodes")
    anchors = settings["anchors"]
    return Table(
        settings=settings,
        nodes=np.stack(nodes),
        is_random=np.array([row.origin == "random" for _, row in rows]),
        batch_independent=np.array([run.settings["space.batch_independent"] for run, _ in rows]),
        run_seed=np.array([run.settings["method.seed"] for run, _ in rows], np.int32),
        verdict=np.array([_verdict(row) for _, row in rows]),
        function=_functions(rows),
        scores=np.array([_scores(row, anchors) for _, row in rows], np.float32),
        steps=np.array([_steps(run, row, anchors) for run, row in rows], np.int32),
        seconds=np.array([row.seconds or 0.0 for _, row in rows], np.float32),
    )


def _is_kept(row: Candidate) -> bool:
    was_judged = row.status in ("accepted", "rejected", "duplicate")
    return was_judged and row.reason not in ("no_input", UNPROMISING)


def _verdict(row: Candidate) -> str:
    return "accepted" if row.is_member else row.reason or row.status


def _scores(row: Candidate, anchors: Sequence[str]) -> list[float]:
    return [row.anchor_scores.get(anchor, np.nan) for anchor in anchors]


def _steps(run: Run, row: Candidate, anchors: Sequence[str]) -> list[int]:
    """The steps of the training that gave the scores, which may be the original's."""
    if not row.anchor_scores:
        return [0] * len(anchors)
    stages = run.by_id[row.function].stages or {}
    steps = stages.get("training", {}).get("steps", {})
    return [int(steps.get(anchor, run.settings["evaluation.steps"])) for anchor in anchors]


def _functions(rows: Sequence[tuple[Run, Candidate]]) -> np.ndarray:
    """The first row of each row's function: that of its fingerprint, or of its original."""
    first: dict[Any, int] = {}
    found = []
    for place, (run, row) in enumerate(rows):
        original = run.by_id.get(row.function, row)
        key = original.fingerprint or (id(run), original.id)
        found.append(first.setdefault(key, place))
    return np.array(found, np.int32)


def _shared_settings(runs: Sequence[Run]) -> dict[str, Any]:
    settings = [_of_training(run) for run in runs]
    for run, other in zip(runs, settings, strict=True):
        different = sorted(key for key in other if other[key] != settings[0].get(key))
        if different:
            raise SearchError(
                f"{run.path} trains in another way than {runs[0].path}: {', '.join(different)}"
            )
    if settings[0].get("objective") is not None:
        raise SearchError("a table holds accuracies, and the runs have scores of an objective")
    return settings[0]


def _of_training(run: Run) -> dict[str, Any]:
    evaluation: Mapping[str, Any] = (run.meta.get("config") or {}).get("evaluation", {})
    return {key: value for key, value in evaluation.items() if key not in _MAY_DIFFER}
