"""The page of a running search: what it serves, to whom, and what a browser makes of it."""

import http.client
import re
import signal
import subprocess
import sys
import time
import urllib.parse

import pytest

from search import cli
from search.storage.candidate import Candidate
from search.storage.database import DATABASE
from search.storage.store import Store
from search.watch import pages as pages_module
from search.watch.pages import Pages
from search.watch.status import read_population, read_status
from tests.search.browser import CHROMIUM, Browser
from tests.search.synthetic_run import add_final, graph_json, write_run
from tests.without_tensorflow import ROOT

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def start(*arguments):
    """A command of the search, which Ctrl-C can stop."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "search", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    return process


def watch(run_dir):
    """The process of `watch`, and its address."""
    process = start("watch", "--run-dir", run_dir)
    return process, re.search(r"http://[\d.]+:\d+/", process.stdout.readline()).group()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    process, address = watch(write_run(tmp_path_factory.mktemp("watch") / "run", 20))
    yield address
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0


def ask(address, path, method="GET", **headers):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=60)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def test_the_parts_of_the_page(address):
    status, text, headers = ask(address, "/")
    assert status == 200 and 'src="watch.js"' in text
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    status, text, headers = ask(address, "/live")
    assert status == 200 and 'id="now_population"' in text
    status, text, headers = ask(address, "/report")
    assert status == 200 and 'id="progress"' in text and "<script" not in text
    assert ask(address, "/report", **{"If-None-Match": headers["ETag"]})[:2] == (304, "")


@pytest.mark.parametrize("path", ["/search.sqlite", "/../search.sqlite", "//etc/passwd", "/live/x"])
def test_no_other_path(address, path):
    assert ask(address, path)[0] == 404


def test_only_reading_and_only_from_this_machine(address):
    assert ask(address, "/live", "POST")[0] == ask(address, "/", "DELETE")[0] == 405
    port = urllib.parse.urlsplit(address).port
    for name in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "["):
        assert ask(address, "/live", Host=name)[0] in (400, 403), name
    for name in ("localhost", f"localhost:{port}", "[::1]:80"):
        assert ask(address, "/live", Host=name)[0] == 200, name


def test_what_cannot_be_served(capsys, tmp_path, address):
    run_dir, port = write_run(tmp_path / "run", 1), urllib.parse.urlsplit(address).port
    for options, message in (
        (["--port", "70000"], "--port must be 0 to 65535. Received: 70000"),
        (["--port", str(port)], f"cannot listen on 127.0.0.1, port {port}: "),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid, port 0: "),
    ):
        assert cli.main(["watch", "--run-dir", str(run_dir), *options]) == 1
        line = capsys.readouterr().err
        assert line.startswith(f"search: {message}") and line.count("\n") == 1


def test_the_state_of_a_run(tmp_path):
    run_dir = write_run(
        tmp_path / "run", 40, overrides=["method.max_minutes=10", "method.window=2"]
    )
    now = time.time()
    with Store.open(run_dir) as store:
        running = Candidate(100, "random", graph=graph_json(), status="running", created=now - 9)
        store.add(running)
        for number, host in enumerate(("one", "one", "two"), start=101):
            row = Candidate(number, "random", status="rejected", reason="constant", host=host)
            store.add(row)
            store.update(number, finished=now - 30)
    status = read_status(run_dir)
    assert [row.id for row in status.running] == [100]
    assert status.per_minute == {"one": 2 / 5, "two": 1 / 5}
    assert status.share == pytest.approx(400 / 600) and status.left == pytest.approx(200)
    population = read_population(run_dir, status.config)
    assert (status.stage, population.size) == ("searching", 2)
    members = population.newest
    assert members[0].id > members[1].id and members[0].function != members[1].function
    with Store.open(run_dir) as store:
        store.update(100, status="rejected", reason="constant")
        store.set_meta("elapsed", 601.0)
    stages = [read_status(run_dir).stage]
    add_final(run_dir, 0.97, {"bn_relu": 0.94, "evonorm_b0": 0.95, "evonorm_s0": 0.95})
    assert [*stages, read_status(run_dir).stage] == ["reranking", "finished"]


def test_the_report_is_made_again_only_after_a_change(tmp_path, monkeypatch):
    run_dir, clock, made = write_run(tmp_path / "run", 20), [0.0], []
    monkeypatch.setattr(pages_module.figures, "plots", lambda run: [])
    monkeypatch.setattr(pages_module.html, "render", lambda run, plots: made.append(1) or str(made))
    pages = Pages(run_dir, clock=lambda: clock[0])
    first = pages.report()
    clock[0] += 100
    assert pages.report() == first and len(made) == 1
    with Store.open(run_dir) as store:
        store.add(Candidate(100, "random", status="rejected", reason="constant"))
    clock[0] += 100
    assert pages.report() != first and len(made) == 2
    with Store.open(run_dir) as store:
        store.add(Candidate(101, "random", status="rejected", reason="constant"))
    clock[0] += 1  # too soon
    pages.report()
    assert len(made) == 2


def test_a_stopped_search_and_a_folder_that_breaks(tmp_path):
    run_dir = write_run(tmp_path / "run", 5, overrides=["method.max_minutes=10"])
    clock = [0.0]
    pages = Pages(run_dir, clock=lambda: clock[0])
    assert "no search seems to run" not in pages.live()
    clock[0] += 31
    assert "no search seems to run" in pages.live()
    (run_dir / DATABASE).write_bytes(b"<script>" * 1000)
    clock[0] += 100
    for part in (pages.live(), pages.report()):
        assert 'id="error"' in part and "file is not a database" in part


def test_text_of_a_run_is_escaped(tmp_path):
    run_dir, hostile = write_run(tmp_path / "<i>run", 5), "<script>alert(1)</script>"
    with Store.open(run_dir) as store:
        row = Candidate(100, "random", graph=graph_json(), status="accepted", fitness=1.0)
        store.add(row)
        store.update(100, scores={hostile: 1.0}, host=hostile, finished=time.time())
        store.add(Candidate(101, "baseline", name=hostile, status="running", host=hostile))
        store.add(Candidate(102, "random", graph=hostile, status="running"))
    pages = Pages(run_dir)
    live = pages.live()
    assert live.count("&lt;script&gt;") == 4 and "an invalid graph" in live
    for part in (live, pages.report(), pages.shell().replace('<script src="watch.js" defer>', "")):
        assert "<script>" not in part and "<i>" not in part


@needs_chromium
@pytest.mark.slow
def test_a_browser_shows_changes_and_keeps_the_place(tmp_path):
    run_dir = write_run(tmp_path / "run", 20)
    process, address = watch(run_dir)
    with Browser() as browser:
        browser.open(address)
        browser.wait("document.querySelector('#report #lineage')")
        browser.wait("document.querySelector('#live #now_numbers')")
        browser.value("window.kept = document.getElementById('lineage'); kept.scrollIntoView()")
        browser.value("document.querySelector('#run details').open = true")
        place = browser.value("kept.getBoundingClientRect().top")
        with Store.open(run_dir) as store:
            new = Candidate(100, "random", graph=graph_json(), status="running", host="<b>host")
            store.add(new)
        browser.wait("document.getElementById('now_running').innerText.includes('<b>host')")
        assert browser.value("document.getElementById('lineage') === kept")
        assert browser.value("document.querySelector('#run details').open")
        assert browser.value("kept.getBoundingClientRect().top") == pytest.approx(place, abs=1)
        browser.resize(390, 844)
        assert browser.value("document.documentElement.scrollWidth") <= 390
        assert browser.problems == []
        process.kill()
        process.communicate()
        browser.wait("!document.getElementById('lost').hidden")


@needs_chromium
@pytest.mark.nightly
def test_a_browser_watches_a_search_that_runs(tmp_path):
    run_dir = tmp_path / "run"
    limits = ["--set", "method.max_candidates=none", "--set", "method.max_minutes=2"]
    search = start("run", "--run-dir", run_dir, "--preset", "smoke", "--no-final", *limits)
    while not (run_dir / DATABASE).exists():
        assert search.poll() is None
        time.sleep(0.2)
    process, address = watch(run_dir)
    with Browser() as browser:
        browser.open(address)
        browser.wait("document.querySelector('#now_numbers dd')")
        genotypes = "+document.querySelector('#now_numbers dd').innerText.replace(',', '')"
        browser.wait(f"{genotypes} > 0")
        count = browser.value(genotypes)
        browser.wait(f"{genotypes} > {count}")
        browser.wait("document.querySelector('#report #run')")
        browser.value("document.querySelector('#run details').open = true")
        browser.value("window.before = document.getElementById('run'); before.scrollIntoView()")
        place = browser.value("before.getBoundingClientRect().top")
        browser.wait("document.getElementById('run') !== before")
        now = "document.getElementById('run')"
        assert browser.value(f"{now}.querySelector('details').open")
        assert browser.value(f"{now}.getBoundingClientRect().top") == pytest.approx(place, abs=1)
        assert search.poll() is None and browser.problems == []
    search.communicate(timeout=300)
    assert search.returncode == 0
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
