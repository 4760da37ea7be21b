"""`Candidate`: a row of the table `candidates`, with the values that each column may hold.

A candidate is a genotype, which is a graph that the search has sampled or mutated, or a baseline,
which is a handwritten layer. Members of the population are genotypes that passed all tests.
"""

import dataclasses
import functools
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search.errors import SearchError
from search.evaluation.outcome import TRAINED_REASONS
from search.storage import values

# Columns that hold JSON.
JSON_COLUMNS = ("scores", "stages")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One row of the table `candidates`; `scores` and `stages` are decoded."""

    id: values.Count
    origin: values.Text
    parent: values.MaybeCount = None
    name: values.MaybeText = None
    graph: values.MaybeText = None
    formula: values.MaybeText = None
    fingerprint: values.MaybeText = None
    status: values.Text = "pending"
    reason: values.MaybeText = None
    duplicate_of: values.MaybeCount = None
    scores: values.MaybeScores = None
    fitness: values.MaybeNumber = None
    stages: values.MaybeStages = None
    seconds: values.MaybeNumber = None
    host: values.MaybeText = None
    created: values.Number = 0.0
    finished: values.MaybeNumber = None

    @property
    def function(self) -> int:
        """The id that stands for its function: that of its original, or its own."""
        return self.duplicate_of or self.id

    @property
    def anchor_scores(self) -> dict[str, float]:
        """The accuracy on each anchor; empty for a candidate without scores."""
        return self.scores or {}

    def require_fitness(self) -> float:
        """The fitness. Raises SearchError for a candidate without one."""
        if self.fitness is None:
            raise SearchError(f"candidate {self.id} has no fitness")
        return self.fitness

    def require_layer(self) -> str:
        """The graph as JSON, else the registered name. Raises SearchError without either."""
        layer = self.graph or self.name
        if layer is None:
            raise SearchError(f"candidate {self.id} has neither a graph nor a name")
        return layer

    @property
    def is_member(self) -> bool:
        """Whether it is a genotype of the population, trained or a duplicate of a trained one."""
        return self.origin != "baseline" and self.fitness is not None

    @property
    def was_evaluated(self) -> bool:
        """Whether it was trained: it was accepted, or rejected by a test that trains."""
        was_trained = self.status == "accepted" or self.reason in TRAINED_REASONS
        return was_trained and self.duplicate_of is None


COLUMNS = tuple(field.name for field in dataclasses.fields(Candidate))


@functools.cache
def _adapter() -> TypeAdapter[Candidate]:
    return TypeAdapter(Candidate)


def read_row(row: tuple[Any, ...]) -> Candidate:
    """The candidate of a row as SQLite returns it, in the order of `COLUMNS`.

    Raises:
      ValueError: for a value of a wrong type, or an accepted candidate without a fitness.
    """
    named = dict(zip(COLUMNS, row, strict=True))
    try:
        for column in JSON_COLUMNS:
            if named[column] is not None:
                named[column] = values.decoded(column, named[column])
        candidate = _adapter().validate_python(named)
        if candidate.status == "accepted" and candidate.fitness is None:
            raise ValueError("it is accepted and has no fitness")
    except ValueError as error:
        # pydantic's error is a ValueError too, but has several lines.
        line = values.wrong_value(error) if isinstance(error, ValidationError) else error
        raise ValueError(f"candidate {values.printable(named['id'])}: {line}") from None
    return candidate
