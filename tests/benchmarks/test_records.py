"""What the benchmarks write: figures that were not measured again stay."""

import json
import os
import platform
import subprocess
import sys

import pytest
import tensorflow as tf

from benchmarks import layers, layers_plot, machine, networks, networks_plot
from tests.tiers import tiered

KERAS = {"milliseconds": 100.0, "ratio": 1.0}
TITLE = {"shape": "8x7x7x512", "dtype": "float32", "how": "function", "machine": "this one"}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def row(layer, kind, ratio):
    return {"layer": layer, "pass": kind, "ratio": ratio, "milliseconds": ratio}


@pytest.fixture
def of_networks(tmp_path):
    largest = {"gib": 8.0, "images": 300}
    first = {
        "keras bn_relu": KERAS,
        "bn_relu": {"milliseconds": 101.0, "ratio": 1.01},
        "evonorm_s0": {"milliseconds": 120.0, "ratio": 1.2, "largest_batch": largest},
    }
    networks._write(tmp_path, "resnet50", {"batch": 32, "size": 64, "layers": first})
    second = {"keras bn_relu": KERAS, "evonorm_s0": {"milliseconds": 110.0, "ratio": 1.1}}
    networks._write(tmp_path, "resnet50", {"batch": 32, "size": 64, "layers": second})
    networks._write(tmp_path, "mobilenet_v2", {"batch": 32, "size": 64, "layers": second})
    return tmp_path


def test_networks_keep_what_was_not_measured(of_networks):
    found = read(of_networks / "networks.json")[machine.describe()]["resnet50"]["layers"]
    assert list(found) == ["keras bn_relu", "bn_relu", "evonorm_s0"]
    assert found["bn_relu"]["ratio"] == 1.01
    assert found["evonorm_s0"]["ratio"] == 1.1
    assert found["evonorm_s0"]["largest_batch"]["images"] == 300


def test_networks_of_another_machine_stay(of_networks, monkeypatch):
    monkeypatch.setattr(machine, "describe", lambda: "another")
    rows = {"keras bn_relu": KERAS, "evonorm_s0": {"milliseconds": 50.0, "ratio": 0.5}}
    networks._write(of_networks, "resnet50", {"batch": 32, "size": 64, "layers": rows})
    networks_plot.tabulate(of_networks)
    networks_plot.draw(of_networks)
    text = (of_networks / "networks.md").read_text(encoding="utf-8")
    assert text.index("| 1.00 | 1.01 | 1.10 (300 in 8 GiB) |") < text.index("## another")
    assert text.endswith("| resnet50, 32 images of 64x64 | 1.00 | 0.50 |\n")


def test_table_and_figure_of_networks(of_networks):
    networks_plot.tabulate(of_networks)
    networks_plot.draw(of_networks)
    lines = (of_networks / "networks.md").read_text(encoding="utf-8").splitlines()
    assert lines[-2:] == [
        "| resnet50, 32 images of 64x64 | 1.00 | 1.01 | 1.10 (300 in 8 GiB) |",
        "| mobilenet_v2, 32 images of 64x64 | 1.00 |  | 1.10 |",
    ]
    assert (of_networks / "networks.png").read_bytes().startswith(b"\x89PNG")


def test_layers_keep_what_was_not_measured(tmp_path):
    rows = [row(layer, kind, 1.5) for layer in ("a", "b") for kind in ("forward", "training")]
    layers._write(tmp_path, TITLE, rows)
    layers._write(tmp_path, TITLE, [row("b", "training", 1.25)])
    layers._write(tmp_path, {**TITLE, "dtype": "bfloat16"}, [row("b", "training", 2.0)])
    found = {
        (r["layer"], r["pass"], r["dtype"]): r["ratio"] for r in read(tmp_path / "layers.json")
    }
    assert found == {
        ("a", "forward", "float32"): 1.5,
        ("a", "training", "float32"): 1.5,
        ("b", "forward", "float32"): 1.5,
        ("b", "training", "float32"): 1.25,
        ("b", "training", "bfloat16"): 2.0,
    }


def test_table_and_figure_of_layers(tmp_path):
    names = ["keras bn_relu", "evonorm_s0", "evonorm_s0 plain"]
    rows = [row(layer, kind, 1.5) for layer in names for kind in ("forward", "training")]
    kept = {"layer": "evonorm_s0", "pass": "memory", "keeps": 1.04}
    rows[2]["share"] = 0.711  # of evonorm_s0's forward pass, which the table leaves out
    rows[3]["share"] = 0.655
    layers._write(tmp_path, TITLE, [*rows, kept])
    layers_plot.tabulate(tmp_path)
    layers_plot.draw(tmp_path)
    text = (tmp_path / "layers.md").read_text(encoding="utf-8")
    assert "| evonorm_s0 | 1.50 (1.50), 66% | 1.0 |" in text
    assert "| evonorm_s0 plain | 1.50 (1.50) |  |" in text
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")


CPUINFO = """processor	: 0
model name	: Some CPU @ 2.00GHz
flags		: fpu sse2 {flags}
"""


@pytest.mark.parametrize(
    "flags, vectors",
    [("avx avx2 avx512f", " with AVX-512"), ("avx avx2", " with AVX2"), ("avx", "")],
)
def test_a_processor_is_told_by_its_model_and_vectors(tmp_path, flags, vectors):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(flags=flags))
    assert machine.processor(path) == f"Some CPU @ 2.00GHz{vectors}"


def test_a_processor_that_the_system_does_not_tell(tmp_path):
    assert machine.processor(tmp_path / "none") == platform.machine()


@pytest.mark.parametrize(
    "flag, ending", tiered([("1", " with oneDNN"), ("0", "")], slow=[("1", " with oneDNN")])
)
def test_the_description_names_the_kernels_of_tensorflow(flag, ending):
    command = [sys.executable, "-c", "from benchmarks import machine; print(machine.describe())"]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": flag}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(f"TensorFlow {tf.__version__}{ending}\n")


def test_a_pass_is_measured_by_the_arrays_that_it_must_move(monkeypatch):
    seconds = {"keras bn_relu": 8.0, "copy": 1.0, "evonorm_s0": 4.0, "gn_relu plain": 10.0}

    def passes(name, *_):
        return dict.fromkeys(("forward", "training"), lambda: seconds[name])

    monkeypatch.setattr(layers.contenders, "passes", passes)
    rows = layers.times(["evonorm_s0", "gn_relu plain"], [8, 7, 7, 512], "float32", "function", 3)
    shares = {(each["layer"], each["pass"]): each["share"] for each in rows}
    # A copy moves two arrays in a second.
    assert shares["copy", "training"] == 1.0
    assert shares["keras bn_relu", "training"] == 8 / 2 / 8.0
    assert shares["keras bn_relu", "forward"] == 3 / 2 / 8.0
    assert shares["evonorm_s0", "training"] == 5 / 2 / 4.0
    assert shares["gn_relu plain", "forward"] == 2 / 2 / 10.0
