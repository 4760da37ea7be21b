"""The benchmark on GPUs, as far as it needs neither a GPU nor jax."""

import json

import pytest
import tensorflow as tf

from benchmarks.gpu import export, hlo, report

PROGRAM = """HloModule jit_step, is_scheduled=true

%fused_reduce (param_0: bf16[2,4,4,8]) -> (f32[2,8], f32[2,8]) {
  %param_0 = bf16[2,4,4,8]{3,2,1,0} parameter(0)
  ROOT %many = (f32[2,8]{1,0}, f32[2,8]{1,0}) tuple(%param_0, %param_0)
}

%graph (p: f32[2,8]) -> f32[8] {
  %p = f32[2,8]{1,0} parameter(0)
  ROOT %sum.1 = f32[8]{0} fusion(%p), kind=kInput, calls=%fused_sum
}

ENTRY %main.9 (x: bf16[2,4,4,8], step: s64[]) -> (bf16[2,4,4,8], f32[8]) {
  %x = bf16[2,4,4,8]{3,2,1,0} parameter(0)
  %zero = f32[] constant(0)
  %sums = (f32[2,8]{1,0}, f32[2,8]{1,0}) fusion(%x, %x), kind=kInput, calls=%fused_reduce
  %first = f32[2,8]{1,0} get-tuple-element(%sums), index=0
  %same = f32[2,1,1,8]{3,2,1,0} bitcast(%first)
  %called = f32[8]{0} call(%first), to_apply=%graph
  %y = bf16[2,4,4,8]{3,2,1,0:T(8,128)} fusion(%x, %same, /*index=2*/%called), calls=%fused_y
  ROOT %out = (bf16[2,4,4,8]{3,2,1,0}, f32[8]{0}) tuple(%y, %called)
}
"""


def test_kernels_move_their_operands_and_results():
    assert hlo.kernels(PROGRAM) == [
        ("sums", "fusion", 512, 128),
        ("sum.1", "fusion", 64, 32),
        ("y", "fusion", 512 + 64 + 32, 512),
    ]


SHARED = """HloModule jit_step, is_scheduled=true

%fused_sample (p.0: f32[4,8]) -> f32[8] {
  %p.0 = f32[4,8]{1,0} parameter(0)
  %part = f32[1,8]{1,0} slice(%p.0), slice={[0:4:4], [0:8:1]}
  ROOT %row = f32[8]{0} bitcast(%part)
}

%fused_both (p.0: f32[4,8], p.1: f32[4,8]) -> f32[4,8] {
  %p.0 = f32[4,8]{1,0} parameter(0)
  %p.1 = f32[4,8]{1,0} parameter(1)
  %part = f32[1,8]{1,0} slice(%p.0), slice={[0:4:4], [0:8:1]}
  ROOT %sum = f32[4,8]{1,0} add(%p.0, %p.1)
}

ENTRY %main (x: f32[4,8], y: f32[4,8]) -> f32[4,8] {
  %x = f32[4,8]{1,0} parameter(0)
  %y = f32[4,8]{1,0} parameter(1)
  %barrier = (f32[4,8]{1,0}, f32[4,8]{1,0}) tuple(%y, %x)
  %again = f32[4,8]{1,0} get-tuple-element(%barrier), index=1
  %sample = f32[8]{0} fusion(%x), kind=kInput, calls=%fused_sample
  ROOT %z = f32[4,8]{1,0} fusion(%x, %again), kind=kLoop, calls=%fused_both
}
"""


def test_slices_and_arrays_of_two_names_count_once():
    assert hlo.kernels(SHARED) == [("sample", "fusion", 32, 32), ("z", "fusion", 128, 128)]


@pytest.mark.parametrize(
    "shape, size",
    [("f32[2,3]{1,0}", 24), ("pred[5]", 5), ("(bf16[4], s64[])", 16), ("f8e4m3fn[7]{0}", 7)],
)
def test_sizes_of_shapes(shape, size):
    assert hlo.size_of(shape) == size


def test_a_text_without_a_program():
    with pytest.raises(ValueError, match="ENTRY"):
        hlo.kernels("HloModule empty")


def test_a_compiled_program_can_be_read():
    x = tf.TensorSpec([2, 4, 4, 8], tf.float32)
    function = tf.function(lambda x: (x * 2.0, tf.reduce_sum(x, [1, 2])), jit_compile=True)
    text = function.experimental_get_compiler_ir(x)(stage="optimized_hlo")
    written = sum(kernel.written for kernel in hlo.kernels(text))
    assert written >= x.shape.num_elements() * 4


def test_layers_are_exported(tmp_path):
    few = ["--layers", "evonorm_s0", "--shapes", "2x4x4x32", "--stages"]
    export.main([str(tmp_path), *few, "--dtypes", "bfloat16", "--passes", "apart"])
    index = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    assert [case["layer"] for case in index.values()] == [
        "keras bn_relu",
        "keras gn_relu",
        "evonorm_s0",
    ]
    for file in index:
        module = (tmp_path / file).read_bytes()
        assert module.startswith(b"ML\xefR")  # MLIR's bytecode
        assert b"optimization_barrier" in module


def row(layer, milliseconds, **more):
    case = {"device": "a GPU", "shape": "2x4x4x32", "dtype": "float32", "pass": "apart"}
    figures = {"kernels": 9, "bytes": 8 * 4096, "temporaries": 2048, "host": 0.01}
    return {**case, "layer": layer, "milliseconds": milliseconds, **figures, **more}


@pytest.fixture
def rows():
    copy = row("copy", 0.5, shape="8x1024", **{"pass": "copy"})
    step = {"shape": "stage1", "pass": "step"}
    layers = [row("keras bn_relu", 2.0), row("evonorm_s0", 3.0, host=2.9)]
    steps = [row("keras bn_relu", 5.0, **step), row("evonorm_s0", 4.0, **step)]
    return [copy, *layers, *steps]


def test_table_and_figure(tmp_path, rows):
    measured = tmp_path / "measured.json"
    measured.write_text(json.dumps(rows), encoding="utf-8")
    report.main([str(tmp_path), str(measured)])
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "| evonorm_s0 | ≤ 3.000 | 1.50 | 0.17 | 8.0 | 9 | 0.5 |" in text
    assert "| evonorm_s0 | 4.000 | 0.80 | 0.00 | 9 | 0.00 |" in text
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG")


def test_new_rows_take_the_place_of_old_ones(rows):
    new = row("evonorm_s0", 1.0)
    found = report.merged(rows, [new])
    assert len(found) == len(rows)
    assert found[-1] == new
