"""What a person sees of a running search, at the widths of real terminals and without one."""

import concurrent.futures
import dataclasses
import io
import os
import re

import pytest
from rich.console import Console

from search import names
from search.presets import preset
from search.progress.display import Display, new_display
from search.progress.events import Event
from search.progress.lines import RareLines
from search.storage.candidate import Candidate

_FORMULA = "sign(max(x, z))*sqrt(abs(max(x, z))) * gamma + beta, z = sqrt(mu_{w,h}(tanh(x)^2))"
_BEST = Candidate(
    20,
    "mutation",
    status="accepted",
    formula=_FORMULA,
    fitness=0.9731,
    scores={"mobilenet_v2_small": 0.97, "efficientnet_small": 0.9692, "resnet_small": 0.981},
)
_FIGURES = {
    "sampled": 1260,
    "counts": {"accepted": 32, "duplicate": 17, "rejected": 1131, "running": 2},
    "reasons": {"no_input": 320, "constant": 650, "quality": 161},
    "best": _BEST,
    "elapsed": 83.0,
    "per_minute": 47.31,
    "share": 0.66,
    "left": 137.0,
}


class _Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return _Clock()


@pytest.fixture
def display(clock):
    made = []

    def make(width=80, algorithm="evolution", **options):
        config = preset("demo").override([f"method.algorithm={algorithm}"])
        console = Console(file=io.StringIO(), force_terminal=True, width=width, **options)
        made.append(Display(config, console, clock))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _lines(display, width=80):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(display.render())
    return console.file.getvalue().splitlines()


def _words(display, width=80):
    """The panel's text without its frame."""
    inside = " ".join(line.strip("│╭╮╰╯ ") for line in _lines(display, width))
    return re.sub(r"\s+", " ", inside)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_panel_says_how_the_search_goes(display, width):
    shown = display(width)
    shown.update(Event("sampled", candidate=_BEST, **_FIGURES))
    shown.update(Event("finished", candidate=_BEST, **_FIGURES))
    words = _words(shown, width)
    assert "evolution · demo" in words
    assert "66% 1 min 23 s, 2 min 17 s left" in words
    assert "sampled 1,260 · 32 trained · 17 duplicates" in words
    assert "rejected 1,131 · 650 constant · 320 no input · 161 quality" in words
    assert "47.3 evaluations a minute" in words
    assert f"best 97.3% {_FORMULA}" in words
    assert "mobilenet_v2_small 97.0%, efficientnet_small 96.9%, resnet_small 98.1%" in words
    assert "now searching" in words
    assert all(len(line) <= width for line in _lines(shown, width))


def test_numbers_stay_with_their_words(display):
    shown = display(60)
    shown.update(Event("tick", **_FIGURES))
    for line in _lines(shown, 60):
        assert not re.search(r"\d+ *│$", line.replace("\N{NO-BREAK SPACE}", "_")), line


def test_baselines_stand_beside_the_best(display):
    shown = display()
    for number, (name, fitness) in enumerate((("bn_relu", 0.942), ("evonorm_b0", 0.951)), 1):
        row = Candidate(number, "baseline", name=name, status="accepted", fitness=fitness)
        shown.update(Event("finished", candidate=row))
    failed = Candidate(3, "baseline", name="frn", status="failed")
    shown.update(Event("finished", candidate=failed))
    assert "beside BN-ReLU 94.2%, EvoNorm-B0 95.1% now" in _words(shown)
    assert "none has passed the tests yet" in _words(shown)


def test_work_in_flight_comes_and_goes(display):
    shown = display()
    rows = [Candidate(number, "random", formula=f"f{number}(x)") for number in range(4, 12)]
    for row in rows:
        shown.update(Event("sampled", candidate=row))
    assert "4: f4(x) 5: f5(x) 6: f6(x) 7: f7(x)" in _words(shown)
    assert "f8(x)" not in _words(shown)
    for row in rows[:6]:
        shown.update(Event("finished", candidate=dataclasses.replace(row, status="rejected")))
    assert "10: f10(x) 11: f11(x)" in _words(shown) and "f7(x)" not in _words(shown)


def test_the_clock_goes_on_between_events_and_stops_at_the_end(display, clock):
    shown = display()
    shown.update(Event("tick", **_FIGURES))
    clock.now += 30
    assert "1 min 53 s, 1 min 47 s left" in _words(shown)
    clock.now += 1000
    assert "0.0 s left" in _words(shown)
    shown.close()
    assert "1 min 23 s, 2 min 17 s left" in _words(shown)


def test_a_stage_leaves_the_figures_as_they_were(display, clock):
    shown = display()
    assert "starting; the handwritten layers are trained first" in _words(shown)
    shown.update(Event("tick", **{**_FIGURES, "share": 1.0, "left": 0.0}))
    clock.now += 10
    shown.update(Event("stage", text="reranking"))
    clock.now += 10
    words = _words(shown)
    assert "100% 1 min 43 s" in words and "left" not in words
    assert "sampled 1,260" in words and "best 97.3%" in words and "now reranking" in words


def test_the_bar_moves_until_the_first_candidate(display, clock):
    def bar(shown):
        console = Console(file=io.StringIO(), width=80, force_terminal=True)
        console.print(shown.render())
        return console.file.getvalue().splitlines()[1].split("%")[0]

    shown = display()
    moves = []
    for sampled in (0, 1):
        shown.update(Event("tick", sampled=sampled, share=0.0))
        before = bar(shown)
        clock.now += 0.3
        moves.append(bar(shown) != before)
    assert moves == [True, False]


def test_a_search_without_a_budget_shows_its_time_alone(display):
    shown = display(algorithm="random_rejection")
    shown.update(Event("tick", elapsed=7.0))
    words = _words(shown)
    assert "7.0 s so far" in words and "%" not in words and "left" not in words
    assert "random search with rejection · demo" in words


def test_text_is_never_markup(display):
    shown = display()
    best = dataclasses.replace(_BEST, formula="[red]x[/red][/]", scores={"[b]a": 0.5})
    shown.update(Event("sampled", candidate=Candidate(5, "random", formula="[link=x]y")))
    shown.update(Event("stage", text="[/nonsense]"))
    words = _words(shown)
    for text in ("[/nonsense]", "[link=x]y"):
        assert text in words
    shown.update(Event("tick", **{**_FIGURES, "best": best}))
    assert "[red]x[/red][/] [b]a 50.0%" in _words(shown)


def test_on_a_terminal_it_is_the_display_and_the_cursor_comes_back(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    controller, terminal = os.openpty()
    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        # A terminal that nobody reads holds its writer up.
        reading = reader.submit(_read_to_end, controller)
        with os.fdopen(terminal, "w", encoding="utf-8") as stream:
            progress = new_display(preset("demo"), stream)
            assert isinstance(progress, Display)
            progress.update(Event("sampled", candidate=_BEST, **_FIGURES))
            progress.close()
        written = reading.result()
    assert "\x1b[?25l" in written and written.rindex("\x1b[?25h") > written.rindex("searching")


def _read_to_end(controller):
    parts = []
    with os.fdopen(controller, "rb", buffering=0) as stream:
        try:
            while part := stream.read(4096):
                parts.append(part)
        except OSError:  # how Linux says that the other side is closed
            pass
    return b"".join(parts).decode()


@pytest.mark.parametrize("term", ["dumb", "xterm-256color"])
def test_lines_on_anything_else(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert isinstance(new_display(preset("demo"), io.StringIO()), RareLines)
    if term == "dumb":
        controller, terminal = os.openpty()
        with os.fdopen(terminal, "w", encoding="utf-8") as stream:
            assert isinstance(new_display(preset("demo"), stream), RareLines)
        os.close(controller)


def test_lines_are_stages_new_bests_and_one_a_minute():
    stream = io.StringIO()
    lines = RareLines(stream)
    figures = {**_FIGURES, "counts": {"accepted": 2, "rejected": 5}}
    other = dataclasses.replace(_BEST, id=21, fitness=0.5)
    events = [
        Event("stage", text="measuring the baselines"),
        Event("sampled", candidate=other, **{**figures, "elapsed": 2.0}),
        Event("finished", candidate=_BEST, **{**figures, "elapsed": 3.0}),
        Event("finished", candidate=other, **{**figures, "elapsed": 4.0}),
        Event("tick", **{**figures, "elapsed": 62.9}),
        Event("tick", **{**figures, "elapsed": 63.0}),
        Event("tick", **{**figures, "elapsed": 64.0}),
        Event("tick", elapsed=130.0),
        Event("stage", text="reranking"),
    ]
    for event in events:
        lines.update(event)
    lines.close()
    texts = [line.split("] ", 1)[1] for line in stream.getvalue().splitlines()]
    assert texts == [
        "measuring the baselines",
        f"0.9731  {_FORMULA}",
        "2 accepted, 5 rejected, best 0.9731",
        "nothing yet",
        "reranking",
    ]
    assert stream.getvalue().splitlines()[-1].startswith("[  130.0 s")
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (59.97, "1 min 0 s"),
        (60, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (172800, "48 h 0 min"),
    ],
)
def test_durations(seconds, text):
    assert names.duration(seconds) == text
