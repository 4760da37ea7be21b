"""`EquivalenceCache`: each function is trained once, and its duplicates inherit the verdict.

An audit trains a share of the duplicates nevertheless (`audit_fraction`), to measure the difference
between two trainings of the same function.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from search.config import Config
from search.controller.ledger import Ledger
from search.evaluation.outcome import FREE_REASONS, Outcome
from search.storage.candidate import Candidate


class EquivalenceCache:
    """Finds the original of a duplicate, and holds duplicates while their original is trained.

    Args:
      config: the run's configuration.
      ledger: has the original of each known function.

    Attributes:
      is_on: whether the configuration asks for the cache.
    """

    def __init__(self, config: Config, ledger: Ledger):
        self._ledger = ledger
        self.is_on = config.evaluation.equivalence_cache
        self._audit_fraction = config.evaluation.audit_fraction
        self._seed = config.method.seed
        self._waiting: dict[int, list[int]] = defaultdict(list)

    def original(self, row: Candidate, fingerprint: str | None) -> int | None:
        """The id of the original of a function, if it is another genotype."""
        if fingerprint is None or not self.is_on:
            return None
        number = self._ledger.original(fingerprint)
        return None if number == row.id else number

    def learn(self, row: Candidate) -> None:
        """Makes a genotype the original of its function, unless the function has one."""
        if self.is_on:
            self._ledger.learn(row)

    def wait(self, row: Candidate, original: int) -> None:
        """Holds a duplicate until its original has a verdict."""
        self._waiting[original].append(row.id)
        self._ledger.park(self._ledger.write(row, status="pending"))

    def released(self, original: int) -> list[int]:
        """Ids of the duplicates that waited for the verdict of `original`; they wait no longer."""
        return self._waiting.pop(original, [])

    def draws_audit(self, row: Candidate) -> bool:
        """Whether a duplicate is audited; depends on (seed, id) alone."""
        draw = np.random.default_rng((self._seed, row.id, 1)).random()
        return draw < self._audit_fraction


def inherited(original: Candidate) -> dict[str, Any]:
    """The fields that a duplicate inherits from its original."""
    is_free = original.status == "rejected" and original.reason in FREE_REASONS
    return {
        "status": "rejected" if is_free else "duplicate",
        "reason": original.reason,
        "duplicate_of": original.id,
        "fingerprint": original.fingerprint,
        "scores": original.scores,
        "fitness": original.fitness,
    }


def audit_record(outcome: Outcome, original: Candidate) -> dict[str, Any]:
    """Compares the outcome of an audit with the original, whose verdict stays."""
    agrees = (outcome.status, outcome.reason) == (original.status, original.reason)
    difference = None
    if agrees and outcome.scores:
        difference = max(
            abs(score - original.anchor_scores[anchor]) for anchor, score in outcome.scores.items()
        )
    return {
        "status": outcome.status,
        "scores": outcome.scores,
        "agrees": agrees,
        "largest_difference": difference,
    }
