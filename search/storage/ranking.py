"""The order of the accepted genotypes."""

from collections.abc import Mapping, Sequence
from typing import Any

from search.storage.candidate import Candidate
from search.storage.store import Store


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


def accepted(store: Store) -> list[Candidate]:
    """All accepted genotypes, each function once, reranked ones first."""
    return order(store.top(store.counts().get("accepted", 0)), store.meta("rerank"))
