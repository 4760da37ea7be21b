"""The compiled file of C code: how it is made, kept and replaced, and layers without it."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from evonorm_tf import c_code
from evonorm_tf.cpu_kernel import library

ROOT = pathlib.Path(__file__).parents[2]
COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")

# Prints which operations of the kernel a training pass of each layer has.
USE = """
import logging
logging.basicConfig(format="logged: %(message)s")
import tensorflow as tf, evonorm_tf as en
x = tf.ones((2, 4, 4, 16))
for layer in (en.EvoNormS0(), en.EvoNormB0()):
    layer.build(x.shape)
    traced = tf.function(lambda: layer(x, training=True), autograph=False).get_concrete_function()
    traced()
    print(*(op.type for op in traced.graph.get_operations() if op.type.startswith("EvoNorm>")))
"""


def use(cache, **environment):
    """Starts a process with a cache folder of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", USE],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(process):
    """The printed lines, and how many lines were logged."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output.split(), errors.count("logged: layers run without compiled C code")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def is_complete(path):
    """Whether the system's tools can read all of the file's symbols."""
    done = subprocess.run(["nm", "-D", path], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "fesetenv" in done.stdout


@needs_compiler
def test_the_file_is_made_once(cache):
    path = library.code().compiled_file(COMPILER)
    assert path.parent == cache / "evonorm_tf" and is_complete(path)
    made = path.stat()
    assert library.code().compiled_file(COMPILER) == path
    assert path.stat() == made
    assert [*path.parent.iterdir()] == [path]


@needs_compiler
def test_a_part_of_a_file_is_made_again(cache):
    path = library.code().compiled_file(COMPILER)
    whole = path.read_bytes()
    for size in (0, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert not c_code.is_whole(path)
    assert library.code().compiled_file(COMPILER) == path
    assert c_code.is_whole(path) and is_complete(path)


@needs_compiler
def test_another_source_compiler_or_processor_has_a_file_of_its_own(monkeypatch, tmp_path):
    code = library.code()
    names = {code.identity(COMPILER)}
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : avx\n")
    monkeypatch.setattr(c_code, "_CPUINFO", cpuinfo)
    names.add(code.identity(COMPILER))
    code = code._replace(arguments=[*code.arguments, "-O2"])
    names.add(code.identity(COMPILER))
    code = code._replace(depends=["another TensorFlow"])
    names.add(code.identity(COMPILER))
    source = tmp_path / "source"
    shutil.copytree(code.folder, source)
    (source / "s0.c").write_text("/* other */")
    code = code._replace(folder=source)
    names.add(code.identity(COMPILER))
    assert len(names) == 5


@pytest.mark.slow
@needs_compiler
def test_two_processes_make_the_file_at_once(cache):
    both = [use(cache), use(cache)]
    for process in both:
        assert results(process) == (["EvoNorm>S0Forward", "EvoNorm>B0Forward"], 0)
    assert len([*(cache / "evonorm_tf").iterdir()]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["compiler", "folder", "working compiler"])
def test_layers_run_without_it_and_say_so_once(missing, cache, tmp_path):
    environment = {"PATH": ""}
    if missing == "folder":
        cache = tmp_path / "file"
        cache.write_text("no folder")
        environment = {}
    if missing == "working compiler":
        compiler = tmp_path / "cc"
        compiler.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
        compiler.chmod(0o755)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert results(use(cache, **environment)) == ([], 1)


@pytest.mark.slow
def test_a_variable_switches_it_off(cache):
    assert results(use(cache, **{c_code.SWITCH: "0"})) == ([], 0)
    assert not (cache / "evonorm_tf").exists()


@needs_compiler
def test_it_is_used_where_a_compiler_is():
    assert library.operations() is not None
