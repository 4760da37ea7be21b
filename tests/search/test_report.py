"""The report as a file: whole, self-contained, safe to open, and true to the run."""

import html.parser
import re
import shutil
import xml.etree.ElementTree as ET

import matplotlib.figure
import numpy as np
import pytest

from evonorm_tf import registry
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.graph.simplification import short_formula
from search import export, report, sample_graph
from search.errors import SearchError
from search.report import analysis, collect, figures, formulas, graph_picture, layer_views, style
from search.report.ideas import findings
from search.report.layer_views import node_text
from search.report.lineage import lineage
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of
from search.storage.store import Store
from tests.search import synthetic_run

_FIGURES = ("progress", "outcomes", "histograms", "anchors", "frontier", "best_layer")
_NEEDS_GRAPHVIZ = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's dot")


class _Page(html.parser.HTMLParser):
    """Checks that elements nest, and collects text, attributes and element names."""

    _VOID = ("meta", "br", "img")

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words)).replace("\N{NON-BREAKING HYPHEN}", "-")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with everything: a finished search, reranking, a final comparison."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    synthetic_run.write_run(folder, 120)
    synthetic_run.add_final(folder, 0.97, {"bn_relu": 0.95, "evonorm_b0": 0.96, "evonorm_s0": 0.98})
    return folder


@pytest.fixture(scope="module")
def page(folder):
    path = report.write(folder)
    assert path == folder / "report.html"
    return _Page(path.read_text(encoding="utf-8"))


def test_report_says_what_the_run_found(folder, page):
    run = collect.read_run(folder)
    assert "The search found a layer that outscores BN-ReLU: 97.0% against 95.0%." in page.text
    assert short_formula(graph_of(run.winner)) in page.text
    for found in findings(run.ordered)[:10]:
        row = found.simplest
        assert f"genotype {row.id}, by {row.origin} rank {run.ordered.index(row) + 1}" in page.text
        assert short_formula(graph_of(row)) in page.text
        if len(found.spellings) > 1:
            assert f"{len(found.spellings)} spellings" in page.text
            assert all(graph_of(each).formula() in page.text for each in found.spellings)
    for step in lineage(run, run.winner):
        assert f"genotype {step.row.id} {step.row.origin}" in page.text
        for change in step.changes:
            assert node_text(change.after) in page.text
    assert "EvoNorm-S0 98.0 ± 0.2 +3.0 98.0 98.0 98.0" in page.text
    assert "This search is not finished" not in page.text
    assert "method.tournament_fraction 0.2" in page.text
    sections = ("Search progress", "What became of the genotypes", "Pareto frontier")
    assert all(section in page.text for section in sections)


def test_the_lineage_folds_what_changed_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "plots", lambda *_: [])
    formulas_and_nodes = [
        ("tanh(x) * gamma + beta", [("NEG", (0,)), ("NEG", (0,)), ("TANH", (0,))]),
        (None, [("NEG", (0,)), ("NEG", (4,)), ("TANH", (0,))]),
        (None, [("NEG", (0,)), ("NEG", (4,)), ("TANH", (5,))]),
        ("x^2 * gamma + beta", [("NEG", (0,)), ("NEG", (4,)), ("SQUARE", (5,))]),
    ]
    with Store.create(tmp_path / "run", {"config": {}}) as store:
        for number, (_, nodes) in enumerate(formulas_and_nodes, start=1):
            graph = LayerGraph(tuple(Node(*node) for node in nodes)).to_json()
            parent = number - 1 or None
            store.add(Candidate(number, "mutation", status="accepted", graph=graph, parent=parent))
            store.update(number, scores={"a": 0.1 * number}, fitness=0.1 * number)
    text = report.write(tmp_path / "run").read_text(encoding="utf-8")
    lines = text[text.index('<ol class="lineage">') : text.index("</ol>")]
    assert lines.count("<li") == 3 and lines.count("2 neutral mutations") == 1
    shown = re.findall('aria-label="([^"]*)"', lines)
    assert shown == [formula for formula, _ in formulas_and_nodes if formula]
    assert [int(each) for each in re.findall(r"genotype (\d)", lines)] == [1, 2, 3, 4]


def test_of_many_spellings_the_page_lists_the_first(monkeypatch, folder):
    monkeypatch.setattr(layer_views, "MOST_SPELLINGS", 2)
    run = collect.read_run(folder)
    found = max(findings(run.ordered), key=lambda each: len(each.spellings))
    shown = layer_views.in_short(found, run)
    assert shown["count"] == len(found.spellings) > 2
    assert [each["id"] for each in shown["spellings"]] == [row.id for row in found.spellings[:2]]


def test_contents_lead_to_every_section(page):
    titles = [value[1:] for name, value in page.attributes if name == "href" and value[0] == "#"]
    contents = titles[: len(set(titles))]
    ids = [value for name, value in page.attributes if name == "id"]
    assert contents == [each for each in ids if each in contents]
    assert page.names.count("section") == len(contents) == 10
    figures_and_tables = ["progress", "frontier", "best", "on_the_frontier", "lineage", "run"]
    assert [each for each in contents if each in figures_and_tables] == figures_and_tables


def test_what_is_wider_than_the_page_scrolls_and_shows_it(folder, page):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("<table>") == text.count('<div class="scroll"><table>') == 2
    assert text.count('class="formulas') == text.count('class="formulas scroll"') > 10
    style = re.search(r"\.scroll {([^}]*)}", text)[1]
    assert "overflow-x: auto" in style and "var(--shadow)" in style


def test_report_loads_nothing_and_runs_nothing(page):
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.names)
    links = [value for name, value in page.attributes if name in ("src", "href", "action")]
    assert all("#" in value or value.startswith("data:") for value in links)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    urls = re.findall(r"url\(([^)]*)\)", " ".join(value or "" for _, value in page.attributes))
    assert all(url.startswith("#") for url in urls)


@pytest.mark.slow
def test_figures_are_png_files_beside_the_report(folder, page):
    for name in _FIGURES:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
    assert not list(folder.glob("*.part"))


def test_colours_of_the_figures_are_the_pages(page):
    used = " ".join(value or "" for _, value in page.attributes)
    assert "var(--ink)" in used and "var(--blue)" in used
    for name, colour in style.LIGHT.items():
        assert colour not in used, name


def test_every_picture_has_words_for_it(page):
    assert page.names.count("svg") > 20
    spoken = [value for name, value in page.attributes if name == "aria-label"]
    hidden = [value for name, value in page.attributes if name == "aria-hidden"]
    assert len(spoken) + len(hidden) == page.names.count("svg")
    assert all(spoken)


def test_data_cannot_become_markup(tmp_path):
    attack = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>$\\frac{$"
    folder = tmp_path / "<b>run & co$^$"
    with Store.create(folder, {"config": {attack: {"preset": attack}}}) as store:
        graph = registry.graph("evonorm_b0")
        scores = {attack: 0.5, "b": 0.6}
        common = {"graph": graph.to_json(), "formula": attack, "host": attack}
        store.add(Candidate(1, "baseline", name=attack, status="accepted", fitness=0.5))
        store.update(1, scores=scores)
        store.add(Candidate(2, "random", status="accepted", **common))
        store.update(2, scores=scores, fitness=0.55)
        store.add(Candidate(3, "random", status="failed", reason=f"error: {attack}", **common))
        store.add(Candidate(4, "random", status="rejected", reason=attack, **common))
    text = report.write(folder).read_text(encoding="utf-8")
    page = _Page(text)
    assert "script" not in page.names and "img" not in page.names and "b" not in page.names
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") >= 5
    assert "<b>run & co$^$" in page.text and f"1 × error: {attack}" in page.text


def test_report_of_an_empty_run(tmp_path):
    Store.create(tmp_path / "run", {"config": {}}).close()
    page = _Page(report.write(tmp_path / "run").read_text(encoding="utf-8"))
    assert "Nothing has been sampled yet." in page.text
    assert list((tmp_path / "run").glob("*.png")) == []


def test_report_of_a_run_where_nothing_has_passed(tmp_path):
    with Store.create(tmp_path / "run", {"config": {}}) as store:
        store.add(Candidate(1, "random", status="rejected", reason="constant"))
        store.add(Candidate(2, "random", status="running"))
    page = _Page(report.write(tmp_path / "run").read_text(encoding="utf-8"))
    assert "No layer has passed the tests so far." in page.text
    assert "This search is not finished" in page.text
    assert [path.name for path in (tmp_path / "run").glob("*.png")] == ["outcomes.png"]


def test_report_with_one_anchor_has_no_figures_that_need_two(tmp_path):
    with Store.create(tmp_path / "run", {"config": {}}) as store:
        store.add(Candidate(1, "random", status="accepted", graph=synthetic_run.graph_json()))
        store.update(1, scores={"a": 0.5}, fitness=0.5)
    page = _Page(report.write(tmp_path / "run").read_text(encoding="utf-8"))
    assert "The best layer found scores 50.0%." in page.text
    assert "Beside the handwritten layers" not in page.text and "BN-ReLU" not in page.text
    names = sorted(path.stem for path in (tmp_path / "run").glob("*.png"))
    assert names == ["best_layer", "histograms", "outcomes", "progress"]


def test_report_without_graphviz(monkeypatch, tmp_path):
    folder = synthetic_run.write_run(tmp_path / "run", 35, seed=1)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(figures, "plots", lambda *_: [])
    count = len(findings(collect.read_run(folder).ranking))
    assert 2 < count < 10
    assert not graph_picture.has_graphviz()
    page = _Page(report.write(folder).read_text(encoding="utf-8"))
    spoken = [value for name, value in page.attributes if name == "aria-label"]
    assert sum(label.startswith("computation graph") for label in spoken) == count


def test_no_run_is_one_clear_error(tmp_path):
    with pytest.raises(SearchError, match="holds no search"):
        report.write(tmp_path)


def test_a_damaged_graph_is_one_clear_error(tmp_path):
    with Store.create(tmp_path / "run", {"config": {}}) as store:
        store.add(Candidate(7, "random", status="accepted", graph='{"nodes": [{"op": "NO"}]}'))
        store.update(7, scores={"a": 0.5}, fitness=0.5)
    for use in (report.write, export.export):
        with pytest.raises(SearchError, match=r"candidate 7 has no valid graph: `schema_version`"):
            use(tmp_path / "run")


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path):
    Store.create(tmp_path / "run", {"config": {}}).close()
    (tmp_path / "run" / "report.html").mkdir()
    with pytest.raises(SearchError, match=r"cannot write the report into .*run: Is a directory"):
        report.write(tmp_path / "run")
    assert not list((tmp_path / "run").glob("*.part"))


def test_progress_draws_every_run_and_the_baselines(folder, tmp_path):
    override = ["method.algorithm=random_rejection"]
    other = synthetic_run.write_run(tmp_path / "other", 60, seed=1, overrides=override)
    runs = [collect.read_run(each) for each in (folder, other)]
    plot = figures.plots(runs[0], runs[1:])[0]
    axes = matplotlib.figure.Figure(layout="constrained").subplots()
    plot.panels[0].draw(axes)
    for line, run in zip(axes.get_lines(), runs, strict=False):
        numbers, means = analysis.top_progress(run, 10)
        assert line.get_xdata().tolist() == numbers.tolist()
        assert line.get_ydata().tolist() == means.tolist()
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert labels == [
        "evolution (run)",
        "random search with rejection (other)",
        "BN-ReLU",
        "EvoNorm-B0",
        "EvoNorm-S0",
    ]
    assert axes.get_xlabel() and axes.get_ylabel()


def test_histograms_count_trained_and_rejected(folder):
    run = collect.read_run(folder)
    plot = next(plot for plot in figures.plots(run) if plot.name == "histograms")
    for panel, anchor in zip(plot.panels, run.anchors, strict=True):
        axes = matplotlib.figure.Figure().subplots()
        panel.draw(axes)
        # Stacked: the height of the upper bars is their own.
        total = sum(bar.get_height() for bar in axes.patches)
        trained = sum(row.status == "accepted" for row in run.genotypes)
        rejected = len(analysis.quality_accuracies(run, anchor))
        assert total == trained + rejected > 0
        assert axes.get_yscale() == "log"


def _graphs():
    rng = np.random.default_rng(11)
    named = [registry.graph(name) for name in registry.names() if registry.graph(name)]
    return named + [sample_graph(rng) for _ in range(25)]


def test_every_formula_can_be_set():
    for graph in _graphs():
        latex, plain = graph.latex(), graph.formula()
        lines = [ET.fromstring(line) for line in formulas.svg_lines(latex, plain)]
        assert lines[0].get("aria-label") == plain
        assert len(lines) == latex.count(r"\quad") + 1
        for line in lines:
            left, top, width, height = map(float, line.get("viewBox").split())
            numbers = np.array(re.findall(r"-?[\d.]+", line[0].get("d")), float).reshape(-1, 2)
            # In units of a twentieth of an em; a curve's control points lie a little outside.
            assert (numbers >= (left - 2, top - 2)).all()
            assert (numbers <= (left + width + 2, top + height + 2)).all()
            assert width < 2000 and height < 200


def test_a_formula_that_is_too_deep_for_matplotlib_is_text():
    latex = "x"
    for _ in range(60):
        latex = rf"\frac{{x}}{{\sigma({latex})}}"
    assert formulas.svg_lines(latex, "x / sigmoid(...)") == ["<code>x / sigmoid(...)</code>"]


@pytest.mark.parametrize("has_graphviz", [pytest.param(True, marks=_NEEDS_GRAPHVIZ), False])
def test_a_drawn_graph_shows_each_operation(has_graphviz, monkeypatch):
    monkeypatch.setattr(graph_picture, "has_graphviz", lambda: has_graphviz)
    for graph in _graphs()[:8]:
        root = ET.fromstring(graph_picture.svg(graph))
        words = [element.text for element in root.iter() if element.tag.endswith("text")]
        words = [word.strip() for word in words if word]
        expected = re.findall(r'^  n\d+ \[label="([^"]*)"', graph.dot(), re.MULTILINE)
        expected = [line for label in expected for line in label.split(r"\n")]
        marks = graph.dot().count('[label=" ÷"')
        assert sorted(words) == sorted(expected + ["÷"] * marks)
        assert graph_picture.png(graph).startswith(b"\x89PNG")


def test_the_fallback_puts_no_node_on_another():
    for graph in _graphs():
        panel = graph_picture._panel(graph)
        places = panel.draw.keywords["places"]
        assert len(set(places.values())) == len(places) == len(graph.live())
        for source, target, _ in panel.draw.keywords["edges"]:
            assert places[source][1] < places[target][1]
