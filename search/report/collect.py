"""`Run`: a snapshot of a run folder, from which a report is made.

The run may be unfinished, empty, or still running.
"""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search import names
from search.config import Config
from search.errors import SearchError
from search.score_format import ScoreFormat
from search.storage import ranking
from search.storage.candidate import Candidate
from search.storage.store import Store

_META_KEYS = ("config", "created", "elapsed", "rerank", "comparison", "places")


@dataclasses.dataclass(frozen=True)
class Run:
    """A snapshot of a search: its settings and all candidates."""

    path: pathlib.Path
    meta: Mapping[str, Any]
    candidates: Sequence[Candidate]

    @functools.cached_property
    def by_id(self) -> dict[int, Candidate]:
        """The candidates by id."""
        return {row.id: row for row in self.candidates}

    @functools.cached_property
    def baselines(self) -> list[Candidate]:
        """The handwritten layers, evaluated or not."""
        return [row for row in self.candidates if row.origin == "baseline"]

    @functools.cached_property
    def genotypes(self) -> list[Candidate]:
        """The genotypes, in order of birth."""
        return [row for row in self.candidates if row.origin != "baseline"]

    @functools.cached_property
    def ranking(self) -> list[Candidate]:
        """Accepted genotypes, each function once, the best first, and the older of equals first."""
        accepted = [row for row in self.genotypes if row.status == "accepted"]
        scored = [row for row in accepted if row.fitness is not None]
        return sorted(scored, key=lambda row: (-row.require_fitness(), row.id))

    @functools.cached_property
    def ordered(self) -> list[Candidate]:
        """The ranking with the reranked genotypes first; its first is the search's result."""
        return ranking.order(self.ranking, self.meta.get("rerank"))

    @functools.cached_property
    def _ranks(self) -> dict[int, int]:
        return {row.id: rank for rank, row in enumerate(self.ordered, start=1)}

    def rank(self, row: Candidate) -> int:
        """The place of an accepted genotype in `ordered`, from 1; `export` takes it."""
        return self._ranks[row.id]

    @property
    def winner(self) -> Candidate | None:
        """The search's result, if there is one."""
        return self.ordered[0] if self.ordered else None

    @functools.cached_property
    def anchors(self) -> list[str]:
        """Names of the networks that have scores, in the order of their evaluation."""
        names = (name for row in self.candidates for name in row.scores or ())
        return list(dict.fromkeys(names))

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration with its groups flattened: "evaluation.steps" -> 100."""
        return dict(_flatten(self.meta.get("config") or {}))

    def baseline(self, name: str) -> Candidate | None:
        """A handwritten layer that has scores, by its name in the registry."""
        rows = (row for row in self.baselines if row.name == name and row.fitness is not None)
        return next(rows, None)

    @property
    def shown(self) -> ScoreFormat:
        """How its scores are shown."""
        return ScoreFormat(self.settings.get("evaluation.objective"), self.meta.get("num_classes"))

    @property
    def label(self) -> str:
        """The algorithm and the folder, as the label of a curve."""
        algorithm = self.settings.get("method.algorithm", "search")
        return f"{names.algorithm(algorithm)} ({self.path.resolve().name})"

    @property
    def is_finished(self) -> bool:
        """Whether a limit is reached and no candidate is open."""
        minutes = self.settings.get("method.max_minutes")
        evaluated = sum(row.was_evaluated for row in self.genotypes)
        budgets = (
            (self.settings.get("method.max_candidates"), len(self.genotypes)),
            (self.settings.get("method.max_evaluated"), evaluated),
            (self.settings.get("method.max_trained"), len(self.ranking)),
            (None if minutes is None else 60 * minutes, self.elapsed),
        )
        waiting = any(row.status in ("pending", "running") for row in self.genotypes)
        return not waiting and any(limit is not None and used >= limit for limit, used in budgets)

    @property
    def elapsed(self) -> float:
        """Seconds of the search, without reranking and pauses."""
        return float(self.meta.get("elapsed") or 0.0)


def read_run(run_dir: str | os.PathLike) -> Run:
    """Reads a run folder.

    Raises:
      SearchError: as `Store.open` does, and for a value of a wrong type.
    """
    with Store.open(run_dir) as store:
        meta = {key: store.meta(key) for key in _META_KEYS}
        if meta["config"] is not None:
            # Raises for wrong values; fields of other versions are shown unchecked.
            known = {field.name for field in dataclasses.fields(Config)} & set(meta["config"])
            Config.from_dict({name: meta["config"][name] for name in known})
        run = Run(pathlib.Path(run_dir), meta, store.candidates())
    for entry in meta["comparison"] or ():
        if entry["id"] not in run.by_id:
            raise SearchError(f"{run_dir}: compared candidate {entry['id']} is not there")
    return run


def _flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
