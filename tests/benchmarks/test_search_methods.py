"""The comparison of search methods, on replays made up for the purpose."""

from benchmarks import search_methods
from search.replay.search import Replayed, Step


def _replayed(first, second):
    return Replayed([Step(10.0, first), Step(60.0, second)], trained=2, seconds=90.0)


def test_the_best_after_each_part_of_the_budget():
    rows = search_methods.best([_replayed(0.2, 0.8), _replayed(0.4, 0.6)], 100.0)
    assert rows == [[20.0, 20.0, 20.0, 80.0], [40.0, 40.0, 40.0, 60.0]]
    text = search_methods.report({"seconds": 100.0, "best": {"one": rows}})
    assert text.splitlines()[0] == "| method | 12 s | 25 s | 50 s | 100 s |"
    assert text.splitlines()[2] == (
        "| one | 30.0 ± 10.0 | 30.0 ± 10.0 | 30.0 ± 10.0 | 70.0 ± 10.0 |"
    )


def test_the_figure_is_drawn(tmp_path):
    found = {"one": [_replayed(0.2, 0.8), _replayed(0.4, 0.6)]}
    search_methods.draw(found, 100.0, tmp_path / "methods.png")
    assert (tmp_path / "methods.png").read_bytes().startswith(b"\x89PNG")
