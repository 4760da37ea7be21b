"""The HTML page: the values for the template, and its rendering."""

import collections
import datetime
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from search import names
from search.report import analysis, figures, formulas, graph_picture, style, verdict
from search.report.collect import Run
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of

_LONGEST_REASON = 200
_SYMBOLS = {"ADD": "{} + {}", "MUL": "{} · {}", "DIV": "{} ÷ {}", "MAX": "max({}, {})"}


def render(run: Run, plots: Sequence[figures.Plot]) -> str:
    """Renders the report as a self-contained HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("search.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        percent=_percent, points=verdict.points, duration=_duration, unbroken=_unbroken, zip=zip
    )
    comparison = verdict.compare(run)
    best = run.winner
    return environment.get_template("template.html.j2").render(
        run=run,
        title=run.path.resolve().name,
        verdict=verdict.verdict(run),
        numbers=_numbers(run),
        comparison=comparison,
        scoreboard=_scoreboard(comparison),
        top=[_layer(row, run, drawing=True) for row in run.ordered[: figures.TOP]],
        frontier=[_layer(row, run) for row in analysis.frontier(run)],
        lineage=[_ancestor(step, run) for step in analysis.lineage(run, best)] if best else [],
        plots={plot.name: _plot(plot) for plot in plots},
        facts=_facts(run),
        settings=_settings(run),
        light=style.LIGHT,
        dark=style.DARK,
    )


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else names.duration(seconds)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _unbroken(text: str) -> str:
    """Keeps names such as BN-ReLU on one line."""
    return text.replace("-", "\N{NON-BREAKING HYPHEN}")


def _numbers(run: Run) -> list[tuple[str, str]]:
    counts = dict.fromkeys(analysis.KINDS, 0)
    for outcome in analysis.outcomes(run):
        counts[outcome.kind] += outcome.count
    numbers = [
        (f"{len(run.genotypes):,}", "genotypes"),
        (f"{counts['free']:,}", "settled without training"),
        (f"{counts['trained']:,}", "rejected in training"),
        (f"{counts['accepted']:,}", "trained in full"),
        (names.duration(run.elapsed), "of searching"),
    ]
    if counts["failed"]:
        numbers.insert(4, (f"{counts['failed']:,}", "failed"))
    return numbers


def _scoreboard(comparison: verdict.Comparison) -> list[dict[str, Any]]:
    reference = comparison.reference
    rows: list[dict[str, Any]] = []
    for score in comparison.table:
        if reference is None or score is reference:
            rows.append({"score": score, "lead": None, "standing": 0})
        else:
            lead, standing = score.mean - reference.mean, verdict.standing(score, reference)
            rows.append({"score": score, "lead": lead, "standing": standing})
    return rows


def _layer(row: Candidate, run: Run, drawing: bool = False) -> dict[str, Any]:
    graph = graph_of(row)
    reference = run.baseline(verdict.REFERENCE)
    reranked = {entry["id"]: entry["mean"] for entry in run.meta.get("rerank") or ()}
    return {
        "id": row.id,
        "known_as": verdict.known_as(row),
        "origin": row.origin,
        "plain": graph.formula(),
        "formula": [Markup(line) for line in formulas.svg_lines(graph)],
        "drawing": Markup(graph_picture.svg(graph)) if drawing else None,
        "scores": [row.anchor_scores.get(anchor) for anchor in run.anchors],
        "fitness": row.fitness,
        "lead": _lead(row, reference),
        "reranked": reranked.get(row.id),
        "parameters": _parameters(graph),
        "uses_batch": graph.uses_batch,
        "size": sum(index >= ops.NUM_INITIAL_NODES for index in graph.live()),
        "seconds": row.seconds,
    }


def _lead(row: Candidate, reference: Candidate | None) -> float | None:
    """The fitness of a candidate minus that of the reference, if there is one."""
    return None if reference is None else row.require_fitness() - reference.require_fitness()


def _parameters(graph: LayerGraph) -> list[str]:
    """Trainable vectors over the channels, in the order of the paper."""
    live = graph.live()
    vectors = [name for index, name in ((ops.V0, "v₀"), (ops.V1, "v₁")) if index in live]
    return ["γ", "β", *vectors]


def _ancestor(step: analysis.Ancestor, run: Run) -> dict[str, Any]:
    graph = graph_of(step.row)
    live = graph.live()
    changes = [
        {
            "index": change.index,
            "before": node_text(change.before),
            "after": node_text(change.after),
            "live": change.index in live,
        }
        for change in step.changes
    ]
    return {**_layer(step.row, run), "changes": changes}


def node_text(node: Node) -> str:
    """A node as an expression of earlier nodes: "max(x, n5)"."""
    inputs = [
        ("x", "0", "v₀", "v₁")[source] if source < ops.NUM_INITIAL_NODES else f"n{source}"
        for source in node.inputs
    ]
    if node.index_set:
        return f"{node.op.lower()}[{node.index_set.lower()}]({inputs[0]})"
    return _SYMBOLS.get(node.op, node.op.lower() + "({})").format(*inputs)


def _plot(plot: figures.Plot) -> dict[str, Any]:
    many = len(plot.panels) > 1
    pictures = [
        Markup(style.svg(panel, f"{plot.title} {number}" if many else plot.title))
        for number, panel in enumerate(plot.panels, start=1)
    ]
    return {"title": plot.title, "caption": plot.caption, "pictures": pictures}


def _facts(run: Run) -> list[tuple[str, str]]:
    hosts = sorted({row.host for row in run.candidates if row.host})
    reasons = (row.reason or "unknown" for row in run.genotypes if row.status == "failed")
    failures = collections.Counter(reason[:_LONGEST_REASON] for reason in reasons).most_common(3)
    computing = sum(row.seconds or 0.0 for row in run.candidates)
    facts = [
        ("run", run.label),
        ("preset", run.settings.get("preset")),
        ("seed", str(run.settings.get("method.seed", ""))),
        ("begun", _date(run.meta.get("created"))),
        ("search time", names.duration(run.elapsed)),
        ("evaluation, summed over workers", names.duration(computing)),
        ("hosts", ", ".join(hosts)),
        ("failures", "; ".join(f"{count} × {reason}" for reason, count in failures)),
    ]
    return [(name, value) for name, value in facts if value]


def _settings(run: Run) -> list[tuple[str, str]]:
    return [
        (name, ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in run.settings.items()
        if value is not None
    ]


def _date(timestamp: float | None) -> str | None:
    if timestamp is None:
        return None
    return datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc).strftime(
        "%Y-%m-%d %H:%M UTC"
    )
