"""The selection of parents: Pareto frontier, tournament, aging (paper sections 4.1 and 4.3)."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

CRITERIA = ("pareto", "average")
T = TypeVar("T")


def pareto_frontier(scores: Any) -> np.ndarray:
    """Indices of the candidates that no other candidate dominates, in increasing order.

    A candidate dominates another if it is at least as good on every anchor and better on one.
    Equal candidates do not dominate each other.

    Args:
      scores: candidates x anchors, higher is better.

    Raises:
      ValueError: for scores of another rank than 2, or that are not finite.

    Example:
      >>> import search
      >>> search.pareto_frontier([[0.9, 0.2], [0.5, 0.5], [0.4, 0.4]]).tolist()
      [0, 1]
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise ValueError(
            f"`scores` must be a finite array, candidates x anchors. Received: shape {scores.shape}"
        )
    at_least = np.ones((len(scores), len(scores)), bool)
    for anchor in scores.T:
        at_least &= anchor[:, None] >= anchor[None, :]
    # A candidate is better on some anchor if the other is not at least as good on all of them.
    dominated = (at_least & ~at_least.T).any(0)
    return np.flatnonzero(~dominated)


def tournament(
    scores: Any, rng: np.random.Generator, fraction: float = 0.05, criterion: str = "pareto"
) -> int:
    """The index of the winner among a random subset of the candidates.

    Args:
      scores: candidates x anchors, higher is better.
      rng: source of randomness.
      fraction: share of the candidates in the subset, rounded up.
      criterion: "pareto", a uniformly random member of the subset's Pareto frontier; or
        "average", the highest mean score, the earliest of equals.

    Raises:
      ValueError: without candidates, or for an unknown criterion.

    Example:
      >>> import numpy as np, search
      >>> scores = [[0.9, 0.2], [0.7, 0.7]]
      >>> search.tournament(scores, np.random.default_rng(0), fraction=1.0, criterion="average")
      1
    """
    scores = np.asarray(scores, dtype=np.float64)
    if len(scores) == 0:
        raise ValueError("`scores` must hold at least one candidate. Received: none")
    # The subtraction corrects products such as 0.05 * 100 = 5.000000000000001.
    size = max(1, math.ceil(fraction * len(scores) - 1e-9))
    entrants = np.sort(rng.choice(len(scores), size=size, replace=False))
    if criterion == "average":
        return int(entrants[np.argmax(scores[entrants].mean(1))])
    if criterion == "pareto":
        return int(rng.choice(entrants[pareto_frontier(scores[entrants])]))
    raise ValueError(
        f"`criterion` must be one of {', '.join(CRITERIA)}. Received: criterion={criterion!r}"
    )


def active(members: Sequence[T], window: int) -> Sequence[T]:
    """The most recent `window` members, which alone may have offspring (aging)."""
    return members[-window:]
