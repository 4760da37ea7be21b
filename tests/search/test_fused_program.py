"""Programs in compiled C code, against NumPy in float64, and what cannot be one."""

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search
from evonorm_tf import c_code, registry
from search.evaluation.engine import fused_program
from search.evaluation.engine.fused_program import FusedProgram, ViewedProgram, runner
from search.evaluation.engine.instructions import (
    BATCH,
    FEATURE_MAPS,
    PLACES,
    Compiled,
    Program,
    Sizes,
)
from search.evaluation.engine.layer_program import VECTORS, LayerProgram
from search.evaluation.engine.passes import OPERATIONS
from tests import own_primitives

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
pytestmark = needs_compiler
# Two rows, many blocks in an example with a shorter last one, and rows longer than a block.
SHAPES = {"small": ((8, 3, 2), 4), "blocks": ((12, 5, 100), 3), "wide": ((600, 4, 3), 2)}


def graphs():
    """Registered graphs, and random ones."""
    rng = np.random.default_rng(4)
    sampled = [search.sample_graph(rng) for _ in range(150)]
    named = filter(None, map(registry.graph, registry.names()))
    return [*named, *(graph for graph in sampled if 0 in graph.live())]


def draw(shape, seed, scale=1.5):
    """The arguments of a layer's programs in float64, with the channels first."""
    rng = np.random.default_rng(seed)
    arguments = {name: rng.normal(size=shape) for name in sorted(FEATURE_MAPS)}
    arguments["x"] = scale * arguments["x"] + 0.3
    for name in VECTORS:
        mean = 0.0 if name in ("beta", "v0") else 1.0
        arguments[name] = rng.normal(mean, 0.3, (shape[0], 1, 1))
        arguments[f"to_{name}"] = np.ones((shape[0], 1, 1))
    return {name: array.astype(np.float32).astype(float) for name, array in arguments.items()}


def channels_last(arguments, dtype=np.float32):
    return {
        name: np.ascontiguousarray(
            array.transpose(1, 2, 0) if name in FEATURE_MAPS else array, dtype
        )
        for name, array in arguments.items()
    }


def results(program, arguments, sizes):
    """Output, moments, gradients of both orders, and inference."""
    trained = program.train(arguments, sizes)
    averages = [np.full_like(arguments["v1"], 0.7) for _ in program.moving_starts]
    return [
        trained.output,
        *trained.moments,
        *program.differentiate(arguments, trained, sizes),
        *program.second(arguments, sizes),
        program.infer(arguments, averages, sizes),
    ]


def channels_first(array, sizes):
    channels, batch, places = sizes.shape
    return array.transpose(2, 0, 1) if array.shape == (batch, places, channels) else array


def assert_as_exact_as_numpy(actual, by_numpy, exact):
    """Errors up to ten times those of NumPy in float32, and infinities at the same places."""
    actual, by_numpy, exact = np.broadcast_arrays(actual, by_numpy, exact)
    np.testing.assert_array_equal(np.isfinite(actual), np.isfinite(by_numpy))
    finite = np.isfinite(exact) & np.isfinite(by_numpy)
    if finite.any():
        scale = np.abs(exact[finite]).max()
        error = np.abs(by_numpy - exact)[finite].max()
        assert np.abs(actual - exact)[finite].max() <= max(10 * error, 2e-6 * scale)


def assert_equal_to_numpy(graph, shape, groups, seed):
    sizes, arguments = Sizes(shape, groups), draw(shape, seed)
    floats = {name: array.astype(np.float32) for name, array in arguments.items()}
    program = LayerProgram(graph, runner)
    assert isinstance(program.second, FusedProgram)
    actual = results(program, channels_last(arguments), sizes)
    by_numpy = results(LayerProgram(graph), floats, sizes)
    exact = results(LayerProgram(graph), arguments, sizes)
    for one, two, three in zip(actual, by_numpy, exact, strict=True):
        assert_as_exact_as_numpy(channels_first(one, sizes), two, three)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("index", range(len(graphs())))
def test_equals_numpy_in_values_and_gradients_of_two_orders(index, name):
    assert_equal_to_numpy(graphs()[index], *SHAPES[name], seed=index)


@given(
    st.integers(1, 70),
    st.integers(1, 4),
    st.integers(1, 70),
    st.sampled_from(["evonorm_b0", "evonorm_s0", "found_s0", "evonorm_b1"]),
)
def test_any_shape(channels, batch, places, name):
    shape = (channels, batch, places)
    assert_equal_to_numpy(registry.graph(name), shape, groups=1, seed=channels)


def fused(program, outputs):
    return FusedProgram(fused_program._library(), program, outputs)


def of_x(op, x, *more):
    """An operation on feature maps x, upstream and to_x of one channel and one example."""
    program = Program()
    names = ("x", "upstream", "to_x")
    arrays = dict(zip(names, (x, *more), strict=False))
    value = program.add(op, *map(program.input, arrays))
    given = {name: np.float32(array).reshape(1, -1, 1) for name, array in arrays.items()}
    (result,) = fused(program, [value])(given, Sizes((1, 1, x.size), 1))
    return result.reshape(-1)


EXTREMES = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, -3e38, 88.7, 88.8])
VALUES = np.concatenate(
    [
        EXTREMES,
        np.linspace(-110, 110, 20_001),
        np.linspace(-1, 1, 20_001),
        np.geomspace(1e-30, 1e30, 5000),
    ]
).astype(np.float32)
SIGMOID_OF = {"SIGMOID": lambda x: 1 / (1 + np.exp(-x))}


@pytest.mark.parametrize("op", ["EXP", "LOG", "TANH", "SIGMOID"])
@np.errstate(all="ignore")
def test_transcendental_functions_are_right_to_four_units_in_the_last_place(op):
    # The program takes logarithms of normal positive numbers alone, and NaN.
    x = VALUES[~(VALUES < 1.2e-38)] if op == "LOG" else VALUES
    exact = SIGMOID_OF.get(op, getattr(np, op.lower(), None))(x.astype(float))
    with np.errstate(over="ignore"):
        expected = exact.astype(np.float32)
    actual = of_x(op, x)
    np.testing.assert_array_equal(np.isfinite(actual), np.isfinite(expected))
    finite = np.isfinite(expected)
    unit = np.maximum(np.spacing(np.abs(expected[finite])), np.finfo(np.float32).tiny)
    assert (np.abs(actual[finite] - exact[finite]) <= 4 * unit).all()
    np.testing.assert_array_equal(actual[~finite], expected[~finite])


@pytest.mark.parametrize("op", ["NEG", "ABS", "SIGN", "SQRT", "SQUARE", "DIVISOR"])
@np.errstate(all="ignore")
def test_functions_of_one_feature_map_are_those_of_numpy(op):
    program = Program()
    value = program.add(op, program.input("x"))
    (expected,) = Compiled(program, [value])({"x": VALUES.reshape(1, 1, -1)}, Sizes((1, 1, 9), 1))
    np.testing.assert_array_equal(of_x(op, VALUES), expected.reshape(-1))


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "DIV", "MAX"])
@np.errstate(all="ignore")
def test_functions_of_two_feature_maps_are_those_of_numpy(op):
    a, b = (array.reshape(-1) for array in np.meshgrid(VALUES[:60], VALUES[:60]))
    program = Program()
    value = program.add(op, program.input("x"), program.input("upstream"))
    given = {"x": a.reshape(1, 1, -1), "upstream": b.reshape(1, 1, -1)}
    (expected,) = Compiled(program, [value])(given, Sizes((1, 1, a.size), 1))
    np.testing.assert_array_equal(of_x(op, a, b), expected.reshape(-1))


@pytest.mark.parametrize("small_mask", [False, True])
@pytest.mark.parametrize("op", ["WHERE", "WHERE_NOT"])
def test_masks_hide_what_is_not_finite(op, small_mask):
    program = Program()
    first = program.input("v0") if small_mask else program.input("x")
    mask = program.add("AT_LEAST", first, program.constant(0.0))
    value = program.add(op, mask, program.input("upstream"))
    x = np.float32([-1, 0, np.nan, 1]).reshape(1, 1, 4)
    upstream = np.float32([np.nan, 2, np.inf, 4]).reshape(1, 1, 4)
    given = {"x": x, "upstream": upstream, "v0": x.transpose(2, 0, 1)}
    sizes = Sizes((4, 1, 1), 1)
    if not small_mask:
        given = {"x": x, "upstream": upstream}
    (result,) = fused(program, [value])(given, sizes)
    shown = np.float32([0, 2, 0, 4]) if op == "WHERE" else np.float32([np.nan, 0, np.inf, 0])
    np.testing.assert_array_equal(result.reshape(-1), shown)


def test_outputs_may_be_inputs_sums_and_each_other():
    program = Program()
    x = program.input("x")
    twice = program.add("ADD", x, x)
    total = program.add("SUM", x, parameter=(BATCH, PLACES))
    of_twice = program.add("MEAN", program.add("NEG", twice), parameter=(PLACES,))
    given = {"x": np.arange(24, dtype=np.float32).reshape(2, 4, 3)}
    outputs = [x, twice, twice, total, of_twice]
    sizes = Sizes((3, 2, 4), 1)
    results = fused(program, outputs)(given, sizes)
    np.testing.assert_array_equal(results[0], given["x"])
    np.testing.assert_array_equal(results[1], 2 * given["x"])
    np.testing.assert_array_equal(results[2], 2 * given["x"])
    np.testing.assert_array_equal(results[3].reshape(-1), given["x"].sum((0, 1)))
    np.testing.assert_array_equal(results[4][:, :, 0].T, -2 * given["x"].mean(1))


def test_a_feature_map_is_read_as_often_as_sums_need_each_other():
    """EvoNorm-B0: mean, variance, output; and backwards twice, since sums of multiples are one."""
    program = LayerProgram(registry.graph("evonorm_b0"), runner)._first_order
    assert [len(each._stages) for each in (program.forward, program.backward)] == [3, 2]


def test_registered_primitives_run_in_numpy_and_tensorflow():
    sizes, arguments = Sizes((4, 3, 5), 2), draw((4, 3, 5), 1)
    with own_primitives.registered():
        graph = own_primitives.with_twins(registry.graph("evonorm_s0"))
        viewed = LayerProgram(graph, runner)
        assert isinstance(viewed.second, ViewedProgram)
        actual = results(viewed, channels_last(arguments, float), sizes)
        for one, other in zip(actual, results(LayerProgram(graph), arguments, sizes), strict=True):
            np.testing.assert_allclose(channels_first(one, sizes), other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("index", range(0, len(graphs()), 4))
def test_without_compiled_code_views_are_used(index, monkeypatch):
    monkeypatch.setenv(c_code.SWITCH, "0")
    shape, groups = SHAPES["small"]
    sizes, graph, arguments = Sizes(shape, groups), graphs()[index], draw(shape, index)
    viewed = LayerProgram(graph, runner)
    assert isinstance(viewed.second, ViewedProgram)
    actual = results(viewed, channels_last(arguments, float), sizes)
    for one, other in zip(actual, results(LayerProgram(graph), arguments, sizes), strict=True):
        np.testing.assert_allclose(channels_first(one, sizes), other, rtol=1e-9, atol=1e-9)


def test_the_operations_are_numbered_as_in_the_c_code():
    code = (fused_program._CODE.folder / "passes.c").read_text(encoding="utf-8")
    listed = code.split("enum {")[1].split("}")[0]
    assert tuple(listed.replace(",", " ").split()) == OPERATIONS
