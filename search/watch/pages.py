"""`Pages`: the parts of the page of a running search.

The live part is cheap and rendered again every second. The report takes seconds, so it is rendered
again only after a change of the database, and after a pause of five times that duration.
"""

import contextlib
import os
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from evonorm_tf.graph.simplification import simplified
from search import names
from search.errors import SearchError
from search.report import figures, graph_picture, html, layer_views, style
from search.report.collect import read_run
from search.score_format import ScoreFormat
from search.storage.candidate import Candidate
from search.storage.graphs import formula_of, graph_of
from search.watch.status import Population, Status, read_population, read_status

_LIVE_SECONDS = 1.0
_LEAST_SECONDS, _TIMES_AS_LONG = 5.0, 5.0
# A controller writes the time at least once a second.
_SILENT_SECONDS = 30.0


class Pages:
    """Makes the parts of the page; each method may be called from any thread.

    Args:
      run_dir: the run folder.
      clock: returns seconds.
    """

    def __init__(self, run_dir: str | os.PathLike, clock: Callable[[], float] = time.monotonic):
        self._run_dir, self._clock = pathlib.Path(run_dir), clock
        self._templates = html.environment(ScoreFormat(), "search.watch")
        # matplotlib's settings are those of the process, so one thread draws at a time.
        self._drawing, self._reading = threading.Lock(), threading.Lock()
        self._live, self._live_until = "", 0.0
        self._elapsed, self._changed = -1.0, clock()
        self._best: tuple[str | None, dict[str, Any]] = (None, {})
        self._members: tuple[Any, Population | None] = (None, None)
        self._report, self._report_until = "", 0.0
        self._rendered, self._version = "", ()

    def shell(self) -> str:
        """The page itself, whose script fetches the other parts."""
        template = self._templates.get_template("shell.html.j2")
        title = self._run_dir.resolve().name
        return template.render(title=title, light=style.LIGHT, dark=style.DARK)

    def live(self) -> str:
        """The part that changes all the time: stage, speed, best layer, evaluations, members."""
        with self._reading:
            if self._clock() >= self._live_until:
                self._live = self._safely(self._render_live)
                self._live_until = self._clock() + _LIVE_SECONDS
            return self._live

    def report(self) -> str:
        """The report; it may be older than the database, to spare the workers' time."""
        with self._drawing:
            if self._clock() >= self._report_until:
                started = self._clock()
                self._report = self._safely(self._render_report)
                seconds = _TIMES_AS_LONG * (self._clock() - started)
                self._report_until = self._clock() + max(_LEAST_SECONDS, seconds)
            return self._report

    def _safely(self, render: Callable[[], str]) -> str:
        """The rendered part, or a part with the error's text."""
        try:
            return render()
        except SearchError as error:
            return self._templates.get_template("error.html.j2").render(text=str(error))

    def _render_live(self) -> str:
        status = read_status(self._run_dir)
        if status.elapsed != self._elapsed:
            self._elapsed, self._changed = status.elapsed, self._clock()
        population = self._population(status)
        is_silent = self._clock() - self._changed > _SILENT_SECONDS
        return self._templates.get_template("live.html.j2").render(
            status=status,
            shown=ScoreFormat(status.config.evaluation.objective),
            is_silent=is_silent and status.stage in ("baselines", "searching"),
            best=self._drawn(status.best),
            running=[_running(row) for row in status.running],
            population=population,
            newest=[_member(row) for row in population.newest] if population else [],
            rate=sum(status.per_minute.values()),
            algorithm=names.algorithm(status.config.method.algorithm),
        )

    def _population(self, status: Status) -> Population | None:
        """The members, read again only if their number has changed."""
        members = [status.counts.get(name, 0) for name in ("accepted", "duplicate")]
        if self._members[0] != members:
            self._members = members, read_population(self._run_dir, status.config)
        return self._members[1]

    def _drawn(self, row: Candidate | None) -> dict[str, Any] | None:
        """The best layer's formula and picture, drawn again only for another graph."""
        if row is None:
            return None
        if self._best[0] != row.graph:
            graph = graph_of(row)
            with self._drawing:
                drawing = graph_picture.svg(simplified(graph, without_epsilon=True))
                formula = layer_views.formula(row)
            self._best = row.graph, {"formula": formula, "drawing": Markup(drawing)}
        return {**self._best[1], "plain": formula_of(row), "row": row}

    def _render_report(self) -> str:
        version = read_status(self._run_dir).version
        if version != self._version:
            run = read_run(self._run_dir)
            self._rendered = html.render(run, figures.plots(run))
            self._version = version
        return self._rendered


def _running(row: Candidate) -> dict[str, Any]:
    has_probe = row.origin == "baseline" or "probe" in (row.stages or {})
    return {
        "id": row.id,
        "what": "training" if has_probe else "probe",
        "seconds": max(0.0, time.time() - row.created),
        "host": row.host or "",
        "formula": names.layer(row.name) if row.name else _formula(row),
    }


def _member(row: Candidate) -> dict[str, Any]:
    return {"id": row.id, "fitness": row.fitness, "origin": row.origin, "formula": _formula(row)}


def _formula(row: Candidate) -> str:
    with contextlib.suppress(SearchError):
        return formula_of(row)
    return "an invalid graph"
