"""`Candidate`: a row of the table `candidates`, with the values that each column may hold."""

import dataclasses
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evonorm_tf.layer_graph import LayerGraph
from search.errors import SearchError
from search.evaluation.outcome import TRAINED_REASONS
from search.storage import values
from search.storage.values import (
    Count,
    MaybeCount,
    MaybeNumber,
    MaybeScores,
    MaybeStages,
    MaybeText,
    Number,
    Text,
)

# Columns that hold JSON.
JSON_COLUMNS = ("scores", "stages")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One row of the table `candidates`; `scores` and `stages` are decoded."""

    id: Count
    origin: Text
    parent: MaybeCount = None
    name: MaybeText = None
    graph: MaybeText = None
    formula: MaybeText = None
    fingerprint: MaybeText = None
    status: Text = "pending"
    reason: MaybeText = None
    duplicate_of: MaybeCount = None
    scores: MaybeScores = None
    fitness: MaybeNumber = None
    stages: MaybeStages = None
    seconds: MaybeNumber = None
    host: MaybeText = None
    created: Number = 0.0
    finished: MaybeNumber = None

    @property
    def is_member(self) -> bool:
        """Whether the genotype was accepted into the population, trained or as a duplicate."""
        return self.origin != "baseline" and self.fitness is not None

    @property
    def was_evaluated(self) -> bool:
        """Whether training was spent on it: accepted, or rejected by a test that trains."""
        was_trained = self.status == "accepted" or self.reason in TRAINED_REASONS
        return was_trained and self.duplicate_of is None


COLUMNS = tuple(field.name for field in dataclasses.fields(Candidate))
_ROW = TypeAdapter(Candidate)


def read_row(row: tuple[Any, ...]) -> Candidate:
    """The candidate of a row as SQLite returns it, in the order of `COLUMNS`.

    Raises:
      ValueError: for a value of another type than its column's, or an accepted layer
        without fitness.
    """
    named = dict(zip(COLUMNS, row, strict=True))
    try:
        for column in JSON_COLUMNS:
            if named[column] is not None:
                named[column] = values.decoded(column, named[column])
        candidate = _ROW.validate_python(named)
        if candidate.status == "accepted" and candidate.fitness is None:
            raise ValueError("it is accepted and has no fitness")
    except ValueError as error:
        # pydantic's error is a ValueError too, of several lines.
        line = values.wrong_value(error) if isinstance(error, ValidationError) else error
        raise ValueError(f"candidate {values.printable(named['id'])}: {line}") from None
    return candidate


def graph_of(row: Candidate) -> LayerGraph | None:
    """A row's layer graph; None for a baseline that has none.

    Raises:
      SearchError: for a row whose graph is not valid.
    """
    try:
        return LayerGraph.from_json(row.graph) if row.graph else None
    except ValueError as error:
        raise SearchError(f"candidate {row.id} has no valid graph: {error}") from error
