"""Means over seeds with intervals, and differences between layers with tests."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of means, with its interval.

    Attributes:
      value: the estimate.
      half_width: of its 95 % interval by Student's t; infinite for a single value.
      p: the two-sided probability of an estimate as far from 0 if the true one is 0.
    """

    value: float
    half_width: float
    p: float


def mean(values: Sequence[float]) -> Estimate:
    """The mean over seeds."""
    from scipy import stats

    average = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(average, math.inf, 1.0)
    if len(set(values)) == 1:
        return _certain(average)
    return _estimate(average, stats.ttest_1samp(values, 0.0))


def paired(values: Mapping[int, float], others: Mapping[int, float]) -> Estimate | None:
    """The mean difference of two layers over the seeds that both have, by a paired t-test.

    Trainings of equal seed share the order of the data and the initial weights of all but the
    layer. None for fewer than two such seeds.
    """
    shared = sorted(values.keys() & others.keys())
    differences = [values[seed] - others[seed] for seed in shared]
    return mean(differences) if len(differences) > 1 else None


def independent(values: Sequence[float], others: Sequence[float]) -> Estimate | None:
    """The difference of two means by Welch's t-test; None if either has fewer than two values."""
    from scipy import stats

    if min(len(values), len(others)) < 2:
        return None
    difference = statistics.fmean(values) - statistics.fmean(others)
    if len(set(values)) == len(set(others)) == 1:
        return _certain(difference)
    return _estimate(difference, stats.ttest_ind(values, others, equal_var=False))


def holm(probabilities: Sequence[float]) -> list[float]:
    """The probabilities of several tests, corrected by Holm for their number."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    corrected, largest = [0.0] * len(order), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * probabilities[index]))
        corrected[index] = largest
    return corrected


def _estimate(value: float, test: Any) -> Estimate:
    interval = test.confidence_interval(CONFIDENCE)
    return Estimate(value, float(interval.high - interval.low) / 2, float(test.pvalue))


def _certain(value: float) -> Estimate:
    """The estimate where all seeds agree, which no t-test is made for."""
    return Estimate(value, 0.0, float(value == 0))
