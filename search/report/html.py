"""The HTML page: the values for the template, and its rendering."""

import collections
import datetime
import functools
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from search import names
from search.report import analysis, figures, layer_views, lineage, style, verdict
from search.report.collect import Run
from search.report.ideas import findings
from search.score_format import ScoreFormat

_LONGEST_REASON = 200


def render(run: Run, plots: Sequence[figures.Plot]) -> str:
    """Renders the report as a self-contained HTML page."""
    values = _values(run, plots)
    contents = _contents(values)
    return (
        environment(run.shown).get_template("template.html.j2").render(contents=contents, **values)
    )


def environment(shown: ScoreFormat, *packages: str) -> jinja2.Environment:
    """The templates of the report, which escape all values, and those of other packages."""
    loaders = [jinja2.PackageLoader(name, ".") for name in (*packages, "search.report")]
    loaded = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    loaded.filters.update(
        score=functools.partial(_score, shown=shown),
        points=shown.difference,
        duration=_duration,
        unbroken=_unbroken,
        zip=zip,
    )
    return loaded


def _values(run: Run, plots: Sequence[figures.Plot]) -> dict[str, Any]:
    comparison = verdict.compare(run)
    best = run.winner
    steps = lineage.folded(lineage.lineage(run, best)) if best else []
    found = findings(run.ordered)[: figures.TOP]
    return {
        "run": run,
        "title": run.path.resolve().name,
        "verdict": verdict.verdict(run),
        "best_formula": layer_views.formula(best) if best else None,
        "numbers": _numbers(run),
        "comparison": comparison,
        "scoreboard": _scoreboard(comparison, run.shown),
        "top": [layer_views.finding(each, run) for each in found],
        "frontier": [layer_views.in_short(each, run) for each in findings(analysis.frontier(run))],
        "lineage": [layer_views.stretch(each) for each in steps],
        "plots": {plot.name: _plot(plot) for plot in plots},
        "facts": _facts(run),
        "settings": _settings(run),
        "light": style.LIGHT,
        "dark": style.DARK,
    }


def _contents(values: dict[str, Any]) -> dict[str, str]:
    """The id and the title of each section that the page has, in its order."""
    plots = {name: plot["title"] for name, plot in values["plots"].items()}
    count = len(values["top"])
    contents = {"scores": "Beside the handwritten layers"} if values["comparison"].rivals else {}
    contents.update(plots)
    if count:
        contents["best"] = "The best idea" if count == 1 else f"The {count} best ideas"
    if "frontier" in plots:
        contents["on_the_frontier"] = "Layers on the frontier"
    if count:
        contents["lineage"] = "How the best layer came about"
    return {**contents, "run": "The run"}


def _duration(seconds: float | None) -> str:
    return "–" if seconds is None else names.duration(seconds)


def _score(value: float | None, unit: bool = False, *, shown: ScoreFormat) -> str:
    """A score, with its unit if asked for; a dash where there is none."""
    if value is None:
        return "–"
    return shown.text(value) if unit else shown.number(value)


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
        (f"{counts['accepted']:,}", "accepted"),
        (names.duration(run.elapsed), "of searching"),
    ]
    if counts["failed"]:
        numbers.insert(4, (f"{counts['failed']:,}", "failed"))
    return numbers


def _scoreboard(comparison: verdict.Comparison, shown: ScoreFormat) -> list[dict[str, Any]]:
    reference = comparison.reference
    rows: list[dict[str, Any]] = []
    for score in comparison.table:
        if reference is None or score is reference:
            rows.append({"score": score, "lead": None, "standing": 0})
        else:
            lead = score.mean - reference.mean
            standing = verdict.standing(score, reference, shown)
            rows.append({"score": score, "lead": lead, "standing": standing})
    return rows


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
    places = run.meta.get("places") or {}
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
        *((anchor, "; ".join(names.places(found))) for anchor, found in places.items()),
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
