"""Layers compiled for a GPU that is not there: how many array passes XLA makes of them."""

import pytest

pytest.importorskip("jax_plugins.xla_cuda12", reason="needs the group gpu: make test-gpu")
from benchmarks.gpu import compile_only, targets

SHAPE = "32x56x56x128"


def figures(layer, dtype, kind="apart", gpu="h100"):
    return compile_only.compile_pass(layer, SHAPE, dtype, kind, gpu)


@pytest.mark.parametrize("gpu", targets.NAMES)
def test_kerass_layer_reads_and_writes_each_array_as_often_as_it_must(gpu):
    """Moments 1, output 2, sums of gradients 2, gradient for x 3."""
    found = figures("keras bn_relu", "float32", gpu=gpu)
    assert found["passes"] == pytest.approx(8.0, abs=0.05)
    assert found["temporaries"] < 0.1
    assert found["kernels"] >= 4


# What the documentation says, in array passes; a twentieth is for arrays without spatial axes.
@pytest.mark.parametrize(
    ("layer", "dtype", "most"),
    [
        ("bn_relu", "float32", 8),
        ("gn_relu", "float32", 8),
        ("evonorm_s0", "float32", 8),
        ("evonorm_b0", "float32", 9),
        ("gn_relu", "bfloat16", 9),
        ("evonorm_s0", "bfloat16", 8),
    ],
)
def test_array_passes_of_a_layer(layer, dtype, most):
    found = figures(layer, dtype)
    assert found["passes"] <= most + 0.05
    assert found["temporaries"] < 0.1  # no array of x's size is stored in between
    assert found["passes"] >= 8  # none can do with fewer


def test_a_gpu_without_numbers():
    with pytest.raises(ValueError, match=r"one of h100, a100\. Received: name='h900'"):
        compile_only.compile_pass("evonorm_s0", SHAPE, "float32", "apart", "h900")


def test_the_command(tmp_path, capsys):
    few = ["--layers", "evonorm_s0", "--dtypes", "bfloat16", "--passes", "apart"]
    compile_only.main([*few, "--shapes", "4x8x8x32", "--write", str(tmp_path)])
    text = (tmp_path / "gpu_compiled.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert "h100, 4x8x8x32, bfloat16, apart" in text
    assert "| keras bn_relu |" in text and "| evonorm_s0 |" in text
