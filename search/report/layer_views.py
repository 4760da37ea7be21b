"""What the page says about one layer, as values for its template."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.graph.simplification import short_formula, short_latex, simplified
from search.report import formulas, graph_picture, verdict
from search.report.collect import Run
from search.report.ideas import Finding
from search.report.lineage import Ancestor, Change
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of

_SYMBOLS = {"ADD": "{} + {}", "MUL": "{} · {}", "DIV": "{} ÷ {}", "MAX": "max({}, {})"}
# A long run can find thousands of spellings of one idea.
MOST_SPELLINGS = 50


def formula(row: Candidate) -> list[Markup]:
    """The simplified formula as lines of SVG."""
    graph = graph_of(row)
    return [Markup(line) for line in formulas.svg_lines(short_latex(graph), short_formula(graph))]


def finding(found: Finding, run: Run) -> dict[str, Any]:
    """One of the best layers: its simplest spelling, with the scores of its best."""
    best, row = found.best, found.simplest
    graph = graph_of(row)
    reference = run.baseline(verdict.REFERENCE)
    reranked = {entry["id"]: entry["mean"] for entry in run.meta.get("rerank") or ()}
    return {
        **in_short(found, run),
        "id": row.id,
        "rank": run.rank(row),
        "known_as": verdict.known_as(row),
        "origin": row.origin,
        "plain": short_formula(graph),
        "drawing": Markup(graph_picture.svg(simplified(graph, without_epsilon=True))),
        "lead": _lead(best, reference),
        "reranked": next(
            (reranked[each.id] for each in found.spellings if each.id in reranked), None
        ),
        "parameters": _parameters(graph),
        "uses_batch": graph.uses_batch,
        "size": sum(index >= ops.NUM_INITIAL_NODES for index in graph.live()),
        "seconds": best.seconds,
    }


def in_short(found: Finding, run: Run) -> dict[str, Any]:
    """A layer's formula, its scores, and how often it was found."""
    return {
        "formula": formula(found.simplest),
        "scores": [found.best.anchor_scores.get(anchor) for anchor in run.anchors],
        "fitness": found.best.fitness,
        "spellings": [
            {
                "id": row.id,
                "rank": run.rank(row),
                "fitness": row.fitness,
                "plain": graph_of(row).formula(),
            }
            for row in found.spellings[:MOST_SPELLINGS]
        ],
        "count": len(found.spellings),
    }


def stretch(steps: Sequence[Ancestor]) -> dict[str, Any]:
    """One step of a lineage that changed the function, or several that did not."""
    is_neutral = steps[0].is_neutral
    return {
        "is_neutral": is_neutral,
        "formula": None if is_neutral else formula(steps[0].row),
        "steps": [_ancestor(step) for step in steps],
    }


def node_text(node: Node) -> str:
    """A node as an expression of earlier nodes: "max(x, n5)"."""
    inputs = [
        ("x", "0", "v₀", "v₁")[source] if source < ops.NUM_INITIAL_NODES else f"n{source}"
        for source in node.inputs
    ]
    if node.index_set:
        return f"{node.op.lower()}[{node.index_set.lower()}]({inputs[0]})"
    if node.op in _SYMBOLS:
        return _SYMBOLS[node.op].format(*inputs)
    return f"{node.op.lower()}({', '.join(inputs)})"


def _ancestor(step: Ancestor) -> dict[str, Any]:
    live = graph_of(step.row).live()
    return {
        "id": step.row.id,
        "origin": step.row.origin,
        "fitness": step.row.fitness,
        "changes": [_change(change, live) for change in step.changes],
    }


def _change(change: Change, live: frozenset[int]) -> dict[str, Any]:
    return {
        "index": change.index,
        "before": node_text(change.before),
        "after": node_text(change.after),
        "live": change.index in live,
    }


def _lead(row: Candidate, reference: Candidate | None) -> float | None:
    """The fitness of a candidate minus that of the reference, if there is one."""
    return None if reference is None else row.require_fitness() - reference.require_fitness()


def _parameters(graph: LayerGraph) -> list[str]:
    """Trainable vectors over the channels, in the order of the paper."""
    live = graph.live()
    vectors = [name for index, name in ((ops.V0, "v₀"), (ops.V1, "v₁")) if index in live]
    return ["γ", "β", *vectors]
