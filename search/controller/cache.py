"""`EquivalenceCache`: a function is trained once; its duplicates take that verdict.

A share of the duplicates can be trained all the same (`audit_fraction`), to measure how far two
trainings of one function are apart.
"""

from collections import defaultdict
from typing import Any

import numpy as np

from search.config import Config
from search.controller.ledger import Ledger
from search.evaluation.outcome import FREE_REASONS, Outcome
from search.storage.candidate import Candidate


class EquivalenceCache:
    """Finds the original of a duplicate, and keeps duplicates whose original is in training.

    Args:
      config: the run's configuration.
      ledger: has the known functions.

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
        """The other genotype that stands for a function, if there is one."""
        if fingerprint is None or not self.is_on:
            return None
        number = self._ledger.original(fingerprint)
        return None if number == row.id else number

    def learn(self, row: Candidate) -> None:
        """Makes a genotype the original of its function, unless there is one."""
        if self.is_on:
            self._ledger.learn(row)

    def wait(self, row: Candidate, original: int) -> None:
        """Parks a duplicate until its original has a verdict."""
        self._waiting[original].append(row.id)
        self._ledger.park(self._ledger.write(row, status="pending"))

    def released(self, original: int) -> list[int]:
        """The duplicates that wait for a genotype, which now has its verdict."""
        return self._waiting.pop(original, [])

    def draws_audit(self, row: Candidate) -> bool:
        """Whether a duplicate is trained all the same; depends on (seed, id) alone."""
        draw = np.random.default_rng((self._seed, row.id, 1)).random()
        return draw < self._audit_fraction


def inherited(original: Candidate) -> dict[str, Any]:
    """The fields that a duplicate takes from its original."""
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
    """How a second training compares with the original's, which still counts."""
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
