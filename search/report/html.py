"""The page: what the template shows, gathered as plain values, and its rendering."""

import datetime
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from evonorm_tf import ops
from evonorm_tf.layer_graph import LayerGraph, Node
from search.report import analysis, figures, formulas, graph_picture, style
from search.report.collect import Run, display_name, graph_of
from search.report.verdict import known_as, points, verdict
from search.store import Candidate

_SYMBOLS = {"ADD": "{} + {}", "MUL": "{} · {}", "DIV": "{} ÷ {}", "MAX": "max({}, {})"}


def render(run: Run, plots: Sequence[figures.Plot]) -> str:
    """The whole report as one HTML file that loads nothing."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("search.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        percent=_percent, points=points, duration=duration, unbroken=_unbroken, zip=zip
    )
    best = run.ranking[0] if run.ranking else None
    return environment.get_template("template.html.j2").render(
        run=run,
        title=run.path.resolve().name,
        verdict=verdict(run),
        numbers=_numbers(run),
        scoreboard=[_layer(row, run) for row in _scoreboard(run)],
        top=[_layer(row, run, drawing=True) for row in run.ranking[: figures.TOP]],
        frontier=[_layer(row, run) for row in analysis.frontier(run)],
        lineage=[_ancestor(step, run) for step in analysis.lineage(run, best)] if best else [],
        plots={plot.name: _plot(plot) for plot in plots},
        facts=_facts(run),
        light=style.LIGHT,
        dark=style.DARK,
    )


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _unbroken(text: str) -> str:
    """Names such as BN-ReLU stay on one line."""
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
        (duration(run.elapsed), "from first to last"),
    ]
    if counts["failed"]:
        numbers.insert(4, (f"{counts['failed']:,}", "failed"))
    return numbers


def _scoreboard(run: Run) -> list[Candidate]:
    """The best layer and the handwritten ones, the best mean first."""
    rows = run.ranking[:1] + [row for row in run.baselines if row.fitness is not None]
    return sorted(rows, key=lambda row: -row.fitness)


def _layer(row: Candidate, run: Run, drawing: bool = False) -> dict[str, Any]:
    graph = graph_of(row)
    bn_relu = run.baseline("bn_relu")
    is_baseline = row.origin == "baseline"
    return {
        "id": row.id,
        "name": display_name(row.name or "") if is_baseline else f"layer {row.id}",
        "is_baseline": is_baseline,
        "known_as": None if is_baseline else known_as(row),
        "origin": row.origin,
        "plain": graph.formula() if graph else row.formula,
        "formula": _formula(graph),
        "drawing": Markup(graph_picture.svg(graph)) if drawing and graph else None,
        "scores": [(row.scores or {}).get(anchor) for anchor in run.anchors],
        "fitness": row.fitness,
        "lead": row.fitness - bn_relu.fitness if bn_relu and row.fitness is not None else None,
        "parameters": _parameters(graph) if graph else [],
        "uses_batch": graph.uses_batch if graph else None,
        "size": sum(i >= ops.NUM_INITIAL_NODES for i in graph.live()) if graph else None,
        "seconds": row.seconds,
    }


def _formula(graph: LayerGraph | None) -> list[Markup]:
    return [Markup(line) for line in formulas.svg_lines(graph)] if graph else []


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
    names = [
        ("x", "0", "v₀", "v₁")[source] if source < ops.NUM_INITIAL_NODES else f"n{source}"
        for source in node.inputs
    ]
    if node.index_set:
        return f"{node.op.lower()}[{node.index_set.lower()}]({names[0]})"
    return _SYMBOLS.get(node.op, node.op.lower() + "({})").format(*names)


def _plot(plot: figures.Plot) -> dict[str, Any]:
    many = len(plot.panels) > 1
    labels = [f"{plot.title} {number}" if many else plot.title for number in _count(plot.panels)]
    pictures = [
        Markup(style.svg(panel, label)) for panel, label in zip(plot.panels, labels, strict=True)
    ]
    return {"title": plot.title, "caption": plot.caption, "pictures": pictures}


def _count(items: Sequence[Any]) -> range:
    return range(1, len(items) + 1)


def _facts(run: Run) -> list[tuple[str, str]]:
    hosts = sorted({row.host for row in run.candidates if row.host})
    computing = sum(row.seconds or 0.0 for row in run.candidates)
    facts = [
        ("run folder", run.path.resolve().name),
        ("algorithm", run.label),
        ("begun", _date(run.meta.get("created"))),
        ("duration", duration(run.elapsed)),
        ("evaluation, summed over workers", duration(computing)),
        ("hosts", ", ".join(hosts)),
        *run.settings.items(),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def _date(timestamp: float | None) -> str | None:
    if timestamp is None:
        return None
    return datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc).strftime(
        "%Y-%m-%d %H:%M UTC"
    )
