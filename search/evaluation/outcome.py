"""The results of an evaluation: of each stage, and the verdict that follows from them.

Also `ScoreTask`, a training after the search. This module does not import TensorFlow.
"""

import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any

# The stages in their order; the first failure ends an evaluation.
STAGES = ("quality", "stability", "training")
# The reasons to reject a layer after some training, and before any training.
TRAINED_REASONS = ("quality", "stability", "diverged")
FREE_REASONS = (
    "no_input", "constant", "not_finite", "zero_gradient", "flat", "unnormalized", "signal"
)  # fmt: skip
# Of a layer that may be good, and was passed over for a more promising one.
UNPROMISING = "unpromising"


@dataclasses.dataclass(frozen=True)
class ScoreTask:
    """One training from scratch after the search, for the reranking or the comparison.

    Attributes:
      layer: a graph's JSON, or a registered name.
      anchor, width, steps, seed: the network and its training.
      held_out: share of train and validation to score on; None for the test split.
    """

    layer: str
    anchor: str
    width: float | None
    steps: int
    seed: int
    held_out: float | None


@dataclasses.dataclass(frozen=True)
class StageResult:
    """The result of one stage.

    Attributes:
      reason: the reason to reject the layer; None if it passes.
      scores: anchor -> accuracy, after the training; else None.
      figures: seconds of the stage, and its other figures.
    """

    reason: str | None
    scores: dict[str, float] | None
    figures: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The verdict of an evaluation; its fields are columns of the table `candidates`."""

    status: str
    reason: str | None
    scores: dict[str, float] | None
    fitness: float | None
    stages: dict[str, Any]
    seconds: float


def stages_of(rejects: bool, stability_test: bool) -> tuple[str, ...]:
    """The stages of an evaluation whose layer is not rejected."""
    return STAGES if rejects and stability_test else ("quality", "training")


def outcome_of(results: Mapping[str, StageResult]) -> Outcome:
    """The verdict that follows from the stages; the last one has rejected or trained the layer."""
    last = list(results.values())[-1]
    stages = {name: result.figures for name, result in results.items()}
    seconds = sum(figures["seconds"] for figures in stages.values())
    fitness = None if last.scores is None else statistics.fmean(last.scores.values())
    status = "accepted" if last.reason is None else "rejected"
    return Outcome(status, last.reason, last.scores, fitness, stages, seconds)
