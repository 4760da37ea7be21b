"""Figures of a cluster: what runs, what is late, how fast each host is; and how they are shown."""

import io

from rich.console import Console

from search.presets import preset
from search.progress.display import Display
from search.progress.events import Event
from search.progress.lines import RareLines
from search.progress.metrics import Metrics, values
from search.storage.candidate import Candidate
from search.workers.pool import Cluster
from search.workers.ray.watch import Watch


class _Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_running_waiting_rates_and_stragglers():
    clock = _Clock()
    watch = Watch(clock)
    for key in range(6):
        watch.start(key, (key, "evaluate"), "quality", "a" if key < 4 else "b")
    clock.now += 60
    for key in range(6):
        watch.end(key, finished=True)
    watch.start(7, (70, "evaluate"), "quality", "b")
    watch.start(8, (80, "evaluate"), "training", "b")  # how long that takes nobody knows yet
    clock.now += 180
    assert watch.figures(2, 4.0, in_flight=5).stragglers == ()
    clock.now += 1
    figures = watch.figures(2, 4.0, in_flight=5)
    assert (figures.nodes, figures.cpus, figures.running, figures.waiting) == (2, 4.0, 2, 3)
    assert figures.stragglers == ((70, "quality", "b", 181.0),)
    assert figures.per_minute == {"a": 4 / (241 / 60), "b": 2 / (241 / 60)}
    watch.end(7, finished=False)
    assert watch.figures(2, 4.0, in_flight=1).running == 1


def test_rates_are_those_of_the_last_ten_minutes():
    clock = _Clock()
    watch = Watch(clock)
    watch.start(1, (1, "probe"), "probe", "a")
    watch.end(1, finished=True)
    clock.now += 601
    watch.start(2, (2, "probe"), "probe", "b")
    watch.end(2, finished=True)
    assert watch.figures(1, 1.0, 0).per_minute == {"b": 0.1}


def test_each_stage_has_its_own_limit():
    clock = _Clock()
    watch = Watch(clock)
    watch.start(1, (1, "probe"), "probe", "a")
    watch.start(2, (2, "evaluate"), "training", "a")
    clock.now += 61
    assert watch.overdue({"probe": 60.0, "training": 3600.0}.get) == {1}


CLUSTER = Cluster(
    nodes=3,
    cpus=48.0,
    running=40,
    waiting=2,
    per_minute={"a": 9.0, "b": 8.0, "c": 7.5, "d": 6.0, "e": 0.5},
    stragglers=((412, "training", "b", 7300.0),),
    lost=4,
)
BEST = Candidate(9, "random", status="accepted", fitness=0.75, formula="tanh(x)")
EVENT = Event(
    "tick", counts={"accepted": 2}, reasons={"quality": 5}, best=BEST, refused=1, cluster=CLUSTER
)


def test_the_panel_shows_the_cluster():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    display = Display(preset("demo"), console)
    display.update(EVENT)
    console.print(display.render())
    display.close()
    text = console.file.getvalue().replace("\N{NO-BREAK SPACE}", " ")
    assert "3 nodes · 48 CPUs · 40 running · 2 waiting · 1 late · 4 lost" in text
    assert "a 9.0, b 8.0, c 7.5, e 0.5" in text
    assert "412: training on b for 2 h 1 min" in text
    assert "1 refused" in text


def test_a_refused_report_does_not_hide_what_is_going_on():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    display = Display(preset("demo"), console)
    display.update(Event("stage", text="reranking"))
    display.update(Event("refused", text="refused: no JSON"))
    console.print(display.render())
    display.close()
    assert "reranking" in console.file.getvalue()


def test_lines_name_the_cluster_and_what_was_refused():
    stream = io.StringIO()
    lines = RareLines(stream)
    lines.update(Event("tick", elapsed=61.0, counts={"accepted": 2}, cluster=CLUSTER))
    lines.update(Event("refused", text="refused: no JSON", elapsed=62.0))
    first, second = stream.getvalue().splitlines()
    assert "2 accepted; 3 nodes, 48 CPUs, 40 running, 2 waiting, 1 late, 4 lost" in first
    assert second.endswith("refused: no JSON")


def test_events_become_metrics():
    figures = values(EVENT, EVENT.cluster)
    assert figures["genotypes"] == {"accepted": 2}
    assert figures["tasks"] == {"running": 40, "waiting": 2}
    assert (figures["best_fitness"], figures["lost_tasks"], figures["stragglers"]) == (0.75, 4, 1)
    assert figures["tasks_per_minute"]["e"] == 0.5


def test_metrics_pass_everything_on_and_are_set_every_few_seconds(monkeypatch):
    class Listener:
        events: list = []

        def update(self, event):
            self.events.append(event)

    clock, exported = _Clock(), []
    metrics = Metrics(Listener(), clock)
    monkeypatch.setattr(metrics, "_export", exported.append)
    for seconds in (0, 1, 3, 2, 1):
        clock.now += seconds
        metrics.update(EVENT)
    metrics.update(Event("tick"))
    assert len(Listener.events) == 6
    assert len(exported) == 2
