"""The search's result in words: the best layer beside the handwritten ones."""

import dataclasses
from collections.abc import Sequence

from evonorm_tf import registry
from search.report.collect import Run, display_name, graph_of
from search.report.figures import BASELINES
from search.store import Candidate

# Scores closer than this read the same: a twentieth of a percentage point.
_TIE = 0.0005


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A headline, and a sentence or two of what stands behind it."""

    headline: str
    detail: str


def verdict(run: Run) -> Verdict:
    """What the run came to; says so when that is nothing, or no better than BN-ReLU."""
    if not run.genotypes:
        return Verdict("Nothing has been sampled yet.", "The run folder holds no genotypes.")
    if not run.ranking:
        detail = f"{len(run.genotypes):,} genotypes were sampled; none was trained to the end."
        return Verdict("No layer has passed the tests so far.", detail)
    best = run.ranking[0]
    rivals = [row for row in map(run.baseline, BASELINES) if row is not None]
    return Verdict(_headline(best, rivals), _detail(run, best, rivals))


def points(difference: float) -> str:
    """A difference of accuracies, in percentage points with a sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def _headline(best: Candidate, rivals: Sequence[Candidate]) -> str:
    score = f"{best.fitness:.1%}"
    if not rivals:
        return f"The best layer found scores {score}."
    beaten = [row for row in rivals if best.fitness > row.fitness + _TIE]
    first, lead = rivals[0], best.fitness - rivals[0].fitness
    name = display_name(first.name)
    if len(beaten) == len(rivals) > 1:
        names = _listed([display_name(row.name) for row in rivals])
        return f"The search found a layer that outscores {names}: {score}."
    if lead > _TIE:
        return (
            f"The search found a layer that outscores {name}: {score} against {first.fitness:.1%}."
        )
    if lead < -_TIE:
        return (
            f"The search did not beat {name}: its best layer scores {score}, "
            f"{name} {first.fitness:.1%}."
        )
    return f"The search drew level with {name}: its best layer scores {score} too."


def _detail(run: Run, best: Candidate, rivals: Sequence[Candidate]) -> str:
    where = f"Validation accuracy, mean over {_listed(run.anchors)}."
    sentences = [where]
    if rivals:
        scores = [f"{display_name(row.name)} scores {row.fitness:.1%}" for row in rivals]
        sentences.append(f"Trained the same way, {_listed(scores)}.")
    known = known_as(best)
    if known:
        sentences.append(f"It is {known}, found again.")
    if len(run.ranking) > 1:
        sentences.append(
            f"It is the best of {len(run.ranking):,} scores, and the best of many is partly luck."
        )
    return " ".join(sentences)


def known_as(row: Candidate) -> str | None:
    """The published layer with the same structure, if there is one."""
    fingerprint = graph_of(row).fingerprint()
    graphs = ((name, registry.graph(name)) for name in registry.names())
    names = (name for name, graph in graphs if graph and graph.fingerprint() == fingerprint)
    name = next(names, None)
    return name and display_name(name)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
