"""The order of the accepted genotypes, and the accuracy of a random guess."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.storage.candidate import Candidate

# Accuracy of a random guess: CIFAR-10 and the digits have ten classes.
CHANCE = 0.1


def is_near_chance(accuracy: float) -> bool:
    """Whether an accuracy is below twice a random guess, the quality test's limit (appendix C)."""
    return accuracy < 2 * CHANCE


def order(
    rows: Sequence[Candidate], reranking: Sequence[Mapping[str, Any]] | None
) -> list[Candidate]:
    """The genotypes in the order of the reranking, followed by those without a score in it.

    Args:
      rows: accepted genotypes, the highest fitness first.
      reranking: the store's meta "rerank", entries with an `id`, best first; None without.
    """
    places = {entry["id"]: place for place, entry in enumerate(reranking or ())}
    # Sorting is stable, so the others stay in the order of their fitness.
    return sorted(rows, key=lambda row: places.get(row.id, len(places)))
