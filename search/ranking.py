"""Which of the accepted layers is first: the reranked ones, then the rest by fitness."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.store import Candidate


def order(
    rows: Sequence[Candidate], reranking: Sequence[Mapping[str, Any]] | None
) -> list[Candidate]:
    """The rows with those that reranking has scored moved to the front, in its order.

    Args:
      rows: accepted genotypes, the highest fitness first.
      reranking: the store's meta "rerank", entries with an `id`, best first; None without.
    """
    places = {entry["id"]: place for place, entry in enumerate(reranking or ())}
    # Sorting is stable: the others stay in the order of their fitness.
    return sorted(rows, key=lambda row: places.get(row.id, len(places)))
