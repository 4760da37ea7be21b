"""Outcomes, progress and Pareto frontier of a run, as pure functions."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from search.evaluation.outcome import FREE_REASONS, UNPROMISING
from search.evolution.selection import active, pareto_frontier
from search.report.collect import Run
from search.storage.candidate import Candidate

KINDS = ("accepted", "free", "trained", "failed")
# A curve has at most this many points, so that figures of long runs stay small.
MAX_CURVE_POINTS = 400
# The pairwise comparison takes quadratic memory, so a frontier is computed in chunks of this size.
_FRONTIER_CHUNK = 1000


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The number of genotypes with one verdict, and the seconds of their evaluations."""

    label: str
    kind: str
    count: int
    seconds: float


_STATUS_LABELS = {
    "accepted": ("accepted, trained to the end on every anchor", "accepted"),
    "duplicate": ("same function as an earlier one", "free"),
    "failed": ("failed", "failed"),
}
_REASON_LABELS = {
    "constant": "output is constant",
    "no_input": "output does not depend on the input",
    "not_finite": "not finite on probe tensors",
    "flat": "output is the same at all places of a map",
    "unnormalized": "output follows the scale of the input, or has no statistics",
    "signal": "signals or gradients vanish or explode in a deep random stack",
    "zero_gradient": "zero gradient",
    "unpromising": "passed over for a layer with a better prediction",
    "quality": "quality: accuracy too low after a short training",
    "stability": "stability: gradient norm explodes",
    "diverged": "the loss is not finite after the quality test",
}


def outcomes(run: Run) -> list[Outcome]:
    """Counts of finished genotypes by outcome, the largest of each kind first.

    The kinds are "accepted", "free" (rejected or a duplicate, before any training), "trained"
    (rejected after some training) and "failed".
    """
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    seconds: dict[tuple[str, str], float] = collections.defaultdict(float)
    for row in run.genotypes:
        if row.status in ("pending", "running"):
            continue
        key = _outcome(run, row)
        counts[key] += 1
        seconds[key] += row.seconds or 0.0
    ordered = sorted(counts, key=lambda key: (KINDS.index(key[1]), -counts[key], key[0]))
    return [Outcome(*key, counts[key], seconds[key]) for key in ordered]


def _outcome(run: Run, row: Candidate) -> tuple[str, str]:
    if row.status == "accepted" and _ended_early(run, row):
        return "accepted, trainings ended by half", "accepted"
    if row.status in _STATUS_LABELS:
        return _STATUS_LABELS[row.status]
    label = _REASON_LABELS.get(row.reason or "", row.reason or row.status)
    return label, "free" if row.reason in (*FREE_REASONS, UNPROMISING) else "trained"


def _ended_early(run: Run, row: Candidate) -> bool:
    """Whether a training ended that had learned too little by half of its steps."""
    steps = (row.stages or {}).get("training", {}).get("steps")
    whole = run.settings.get("evaluation.steps")
    return isinstance(steps, dict) and any(number != whole for number in steps.values())


def quality_accuracies(run: Run, anchor: str) -> list[float]:
    """Accuracies on an anchor of the genotypes that the quality test rejected."""
    stages = [row.stages or {} for row in run.genotypes if row.status == "rejected"]
    accuracies = [stage.get("quality", {}).get("accuracies", {}) for stage in stages]
    return [found[anchor] for found in accuracies if anchor in found]


def top_progress(run: Run, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Mean fitness of the k best layers of the population, as in the paper's figure 6.

    The population is the active window at each time, in which a function counts once.

    Returns:
      Numbers of accepted layers, beginning with k (or with all of them if there are fewer), and
      the mean after each of these numbers.
    """
    members = sorted(
        (row for row in run.genotypes if row.is_member),
        key=lambda row: (row.finished is None, row.finished or 0.0, row.id),
    )
    evaluations = np.cumsum([row.status == "accepted" for row in members], dtype=int)
    total = int(evaluations[-1]) if members else 0
    if total == 0:
        return np.array([], int), np.array([])
    window = int(run.settings.get("method.window", len(members)))
    numbers = np.unique(np.linspace(min(k, total), total, MAX_CURVE_POINTS).round().astype(int))
    ends = np.searchsorted(evaluations, numbers, side="left") + 1
    return numbers, np.array([top_mean(active(members[:end], window), k) for end in ends])


def top_mean(population: Sequence[Candidate], k: int) -> float:
    """Mean fitness of the k best functions of a population, or of all if there are fewer."""
    by_function = {row.function: row.require_fitness() for row in population}
    return float(np.mean(sorted(by_function.values())[-k:]))


def frontier(run: Run) -> list[Candidate]:
    """The accepted genotypes that no other one dominates, the best mean first."""
    rows = [row for row in run.ranking if set(run.anchors) <= set(row.anchor_scores)]
    survivors: list[Candidate] = []
    for start in range(0, len(rows), _FRONTIER_CHUNK):
        survivors += rows[start : start + _FRONTIER_CHUNK]
        scores = [[row.anchor_scores[anchor] for anchor in run.anchors] for row in survivors]
        survivors = [survivors[index] for index in pareto_frontier(scores)]
    return survivors
