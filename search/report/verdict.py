"""The result of a search in numbers and words: the best layer and the baselines."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from evonorm_tf import registry
from evonorm_tf.graph.simplification import simplified
from search import names
from search.report import normalization
from search.report.collect import Run
from search.score_format import ScoreFormat
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of

REFERENCE = "bn_relu"
# Differences of fewer standard errors than this count as noise.
_ERRORS = 2.0


@dataclasses.dataclass(frozen=True)
class Score:
    """One layer's accuracy.

    Attributes:
      name: the registered name; None for the layer that the search found.
      mean: mean accuracy over anchors and seeds.
      error: standard error of the mean over the seeds; None with one seed.
      anchors: anchor -> mean accuracy over the seeds.
      validation: the mean accuracy in the search.
    """

    name: str | None
    mean: float
    error: float | None
    anchors: Mapping[str, float]
    validation: float | None

    @property
    def label(self) -> str:
        """The name of the layer in a table."""
        return "the layer found" if self.name is None else names.layer(self.name)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The layer that the search found, and the baselines.

    Attributes:
      found: the search's result; None if there is none.
      rivals: the baselines that have scores, in the run's order.
      seeds: number of seeds of the test accuracies; 0 for the validation accuracies of the
        search.
    """

    found: Score | None
    rivals: Sequence[Score]
    seeds: int

    @property
    def table(self) -> list[Score]:
        """All layers, the best first."""
        rows = [*self.rivals] if self.found is None else [self.found, *self.rivals]
        return sorted(rows, key=lambda score: -score.mean)

    @property
    def reference(self) -> Score | None:
        """BN-ReLU, if it has scores."""
        return next((score for score in self.rivals if score.name == REFERENCE), None)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A headline, and a sentence or two of detail."""

    headline: str
    detail: str


def compare(run: Run) -> Comparison:
    """Compares the test accuracies of the final comparison, else the search's accuracies."""
    winner = run.winner
    tested = {entry["id"]: entry for entry in run.meta.get("comparison") or ()}
    if winner is None or winner.id not in tested:
        rivals = [_validated(row) for row in run.baselines if row.fitness is not None]
        return Comparison(_validated(winner) if winner else None, rivals, 0)
    scores = {number: _tested(entry, run.by_id[number]) for number, entry in tested.items()}
    rivals = [scores[row.id] for row in run.baselines if row.id in scores]
    accuracies = tested[winner.id]["accuracies"]
    return Comparison(scores[winner.id], rivals, len(next(iter(accuracies.values()))))


def _validated(row: Candidate) -> Score:
    return Score(row.name, row.require_fitness(), None, row.anchor_scores, row.fitness)


def _tested(entry: Mapping[str, Any], row: Candidate) -> Score:
    accuracies = entry["accuracies"]
    means = [statistics.fmean(values) for values in zip(*accuracies.values(), strict=True)]
    error = statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else None
    anchors = {anchor: statistics.fmean(values) for anchor, values in accuracies.items()}
    return Score(row.name, statistics.fmean(means), error, anchors, row.fitness)


def verdict(run: Run) -> Verdict:
    """The result of a run in words, also without a layer, or without a better one."""
    if not run.genotypes:
        return Verdict("Nothing has been sampled yet.", "The run folder holds no genotypes.")
    comparison, winner = compare(run), run.winner
    found = comparison.found
    if found is None or winner is None:
        detail = f"Genotypes sampled: {len(run.genotypes):,}. None was trained to the end."
        if run.is_finished:
            return Verdict("The search found no layer that passes the tests.", detail)
        return Verdict("No layer has passed the tests so far.", detail)
    headline = _headline(found, comparison, run.shown)
    if not run.shown.is_near_chance(found.mean):
        headline += f" It {normalization.described(graph_of(winner))}."
    return Verdict(headline, _detail(found, comparison, winner, run))


def standing(found: Score, rival: Score, shown: ScoreFormat) -> int:
    """1 if the first is better, -1 if it is worse, 0 if noise can explain the difference."""
    difference = found.mean - rival.mean
    noise = shown.tie
    if found.error is not None and rival.error is not None:
        noise = max(shown.tie, _ERRORS * math.hypot(found.error, rival.error))
    return 0 if abs(difference) <= noise else int(math.copysign(1, difference))


def _headline(found: Score, comparison: Comparison, shown: ScoreFormat) -> str:
    rivals = comparison.rivals
    score = shown.text(found.mean)
    if shown.is_near_chance(found.mean):
        return f"No layer found learns: the best scores {score}, near chance ({shown.chance:.0%})."
    if not rivals:
        return f"The best layer found scores {score}."
    if len(rivals) > 1 and all(standing(found, rival, shown) > 0 for rival in rivals):
        everyone = _listed([rival.label for rival in rivals])
        return f"The search found a layer that outscores {everyone}: {score}."
    rival = comparison.reference or rivals[0]
    against = f"{score} against {shown.text(rival.mean)}"
    if standing(found, rival, shown) > 0:
        return f"The search found a layer that outscores {rival.label}: {against}."
    if standing(found, rival, shown) < 0:
        return f"The search did not beat {rival.label}: {against}."
    return f"The search found a layer level with {rival.label}: {against}."


def _detail(found: Score, comparison: Comparison, winner: Candidate, run: Run) -> str:
    anchors = _listed(list(found.anchors))
    shown = run.shown
    rivals = [f"{rival.label} scores {shown.text(rival.mean)}" for rival in comparison.rivals]
    same_way = f" Trained the same way, {_listed(rivals)}." if rivals else ""
    known = known_as(winner)
    again = f" It is {known}, found again." if known else ""
    if comparison.seeds:
        trainings = "one fresh seed" if comparison.seeds == 1 else f"{comparison.seeds} fresh seeds"
        what = f"Test {shown.name}, mean over {anchors} and {trainings}."
        return what + same_way + again
    what = f"Validation {shown.name} in the search, mean over {anchors}."
    untested = " The comparison on the test split has not been made."
    luck = f" It is the best of {len(run.ranking):,} scores, and the best of many is partly luck."
    return what + same_way + again + (luck if len(run.ranking) > 1 else "") + untested


def known_as(row: Candidate) -> str | None:
    """The name of the published layer that this one simplifies to, if there is one."""
    fingerprint = simplified(graph_of(row), without_epsilon=True).fingerprint()
    graphs = ((name, registry.graph(name)) for name in registry.names())
    same = (name for name, graph in graphs if graph and graph.fingerprint() == fingerprint)
    name = next(same, None)
    return name and names.layer(name)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
