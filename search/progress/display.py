"""`Display`: a running search on a terminal, as a panel that is updated in place."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search import names
from search.config import Config
from search.progress.cell import Cell, Screen
from search.progress.events import Event, Progress, with_figures
from search.progress.lines import RareLines, cluster_counts
from search.score_format import ScoreFormat
from search.storage.candidate import Candidate
from search.storage.graphs import formula_of
from search.workers.pool import Cluster

_REFRESHES_PER_SECOND = 2
_WIDEST = 100
# The largest numbers of evaluations in flight, stragglers and hosts that are shown.
_MOST_IN_FLIGHT = 4
_MOST_HOSTS = 4


def new_display(config: Config, stream: TextIO) -> Progress:
    """A panel on a terminal or in a notebook; elsewhere plain lines, a minute or more apart."""
    console = Console(file=stream)
    if console.is_jupyter:
        return Display(config, console, screen=Cell)
    if not console.is_terminal or console.is_dumb_terminal:
        return RareLines(stream)
    return Display(config, console)


class Display:
    """A panel with the budget, counts, the best layer, and the evaluations in flight.

    Args:
      config: the run's configuration.
      console: the terminal.
      clock: returns seconds.
      screen: makes what shows the panel that a function returns; default: rich's `Live`.
    """

    def __init__(
        self,
        config: Config,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        screen: Callable[[Callable[[], RenderableType]], Screen] | None = None,
    ):
        self._config = config
        self._shown = ScoreFormat(config.evaluation.objective)
        self._console = console
        self._clock = clock
        self._is_closed = False
        self._event = Event("started")
        self._received = clock()
        # The controller trains the baselines before it samples, and emits no event for it.
        self._stage = "starting; the handwritten layers are trained first"
        self._in_flight: dict[int, Candidate] = {}
        self._baselines: dict[str, float] = {}
        self._screen = screen(self.render) if screen else _live(console, self.render)
        self._screen.start()

    def update(self, event: Event) -> None:
        """Stores the event's figures; the next refresh shows them."""
        if event.kind != "stage":
            self._received = self._clock()
        self._event = with_figures(event, self._event)
        if event.text and event.kind != "refused":
            self._stage = event.text
        row = event.candidate
        if row is not None and event.kind == "sampled":
            self._stage = "searching"
            self._in_flight[row.id] = row
        elif row is not None:
            self._in_flight.pop(row.id, None)
            if row.origin == "baseline" and row.name and row.fitness is not None:
                self._baselines[row.name] = row.fitness
        self._screen.changed()

    def close(self) -> None:
        """Leaves the last state on the screen, and shows the cursor again."""
        self._in_flight.clear()
        self._is_closed = True
        self._screen.stop()

    def render(self) -> RenderableType:
        """The panel at this moment."""
        algorithm = names.algorithm(self._config.method.algorithm)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(ratio=1)
        for name, value in self._rows():
            grid.add_row(name, value)
        return Panel(
            Group(self._budget(), Text(), grid),
            title=Text(f" {algorithm} · {self._config.preset} ", style="bold"),
            title_align="left",
            border_style="blue",
            width=min(self._console.width, _WIDEST),
        )

    def _budget(self) -> RenderableType:
        # The clock advances between events.
        since = 0.0 if self._is_closed else self._clock() - self._received
        elapsed = names.duration(self._event.elapsed + since)
        if self._event.share is None:
            return Text(f"{elapsed} so far", style="bold")
        words = f"{self._event.share:4.0%}  {elapsed}"
        if self._event.left is not None:
            words += f", {names.duration(max(0.0, self._event.left - since))} left"
        row = Table.grid(padding=(0, 2), expand=True)
        row.add_column(ratio=1, min_width=8)
        row.add_column(no_wrap=True)
        # Until the first candidate the share does not grow; the pulse shows that the search runs.
        pulse = not (self._event.sampled or self._is_closed)
        share = 100 * self._event.share
        bar = ProgressBar(
            100, share, pulse=pulse, complete_style="blue", animation_time=self._clock()
        )
        row.add_row(bar, words)
        return row

    def _rows(self) -> Iterator[tuple[str, RenderableType]]:
        counts = self._event.counts
        sampled = {
            "": self._event.sampled,
            "trained": counts.get("accepted", 0),
            "duplicates": counts.get("duplicate", 0),
            "failed": counts.get("failed", 0),
            "refused": self._event.refused,
        }
        yield "sampled", _counts(sampled)
        yield "rejected", _counts({"": counts.get("rejected", 0), **self._reasons()})
        yield "speed", Text(f"{self._event.per_minute:.1f} evaluations a minute")
        if self._event.cluster is not None:
            yield from _cluster_rows(self._event.cluster)
        yield "best", self._best()
        if self._baselines:
            scores = {names.layer(name): score for name, score in self._baselines.items()}
            yield "beside", Text(self._scores(scores))
        yield "now", self._now()

    def _reasons(self) -> dict[str, int]:
        reasons = sorted(self._event.reasons.items(), key=lambda item: -item[1])
        return {reason.replace("_", " "): count for reason, count in reasons}

    def _best(self) -> RenderableType:
        best = self._event.best
        if best is None:
            return Text("none has passed the tests yet", style="dim")
        text = Text(self._shown.text(best.require_fitness()), style="bold green")
        text.append(f"  {formula_of(best)}\n", style="not bold default")
        return text.append(self._scores(best.anchor_scores), style="not bold dim default")

    def _scores(self, scores: Mapping[str, float]) -> str:
        text = self._shown.text
        return ", ".join(_unbroken(f"{name} {text(score)}") for name, score in scores.items())

    def _now(self) -> RenderableType:
        lines = [Text(self._stage)]
        for row in list(self._in_flight.values())[:_MOST_IN_FLIGHT]:
            name = names.layer(row.name) if row.name else row.formula
            lines.append(Text(f"{row.id}: {name}", style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*lines)


class _Live(Live):
    """Refreshes itself in a thread."""

    def changed(self) -> None:
        """Does nothing."""


def _live(console: Console, render: Callable[[], RenderableType]) -> Screen:
    return _Live(
        console=console,
        get_renderable=render,
        refresh_per_second=_REFRESHES_PER_SECOND,
        vertical_overflow="crop",
    )


def _cluster_rows(cluster: Cluster) -> Iterator[tuple[str, Text]]:
    """The machines, the throughput of the fastest and slowest hosts, and stragglers."""
    yield "cluster", _counts(cluster_counts(cluster))
    rates = list(cluster.per_minute.items())
    shown = rates if len(rates) <= _MOST_HOSTS else [*rates[: _MOST_HOSTS - 1], rates[-1]]
    if shown:
        text = ", ".join(_unbroken(f"{host} {rate:.1f}") for host, rate in shown)
        yield "tasks/min", Text(text)
    if cluster.stragglers:
        late = cluster.stragglers[:_MOST_IN_FLIGHT]
        text = ", ".join(
            _unbroken(f"{number}: {stage} on {host} for {names.duration(seconds)}")
            for number, stage, host, seconds in late
        )
        yield "stragglers", Text(text, style="yellow")


def _counts(counts: dict[str, int]) -> Text:
    """ "412 · 31 trained · 9 duplicates"; zeros are left out, except the first."""
    items = [f"{count:,} {name}".strip() for name, count in counts.items() if count or not name]
    shown = [_unbroken(item) for item in items]
    text = Text(" · ".join(shown))
    text.stylize("bold", 0, len(shown[0]))
    return text


def _unbroken(words: str) -> str:
    return words.replace(" ", "\N{NO-BREAK SPACE}")
