"""Compilation for a TPU that is not there: topologies, figures, the command."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("libtpu", reason="needs the group tpu: make test-tpu")
from tpu_scripts import aot_compile, compile_only, training_step
from tpu_scripts.aot_report import Report, table
from tpu_scripts.compile_only import CompilationError, Compiled, parse_topology

V5E = "v5e:1x1"


def compiled(function, *specs, topology=V5E):
    compile_ir = tf.function(function, jit_compile=True).experimental_get_compiler_ir(*specs)
    return compile_only.compile_for(compile_ir("stablehlo_serialized"), parse_topology(topology))


def test_figures_of_a_matrix_product():
    n = 512
    spec = tf.TensorSpec([n, n], tf.bfloat16)
    figures = compiled(lambda a, b: a @ b, spec, spec)
    assert figures.flops == 2 * n**3
    # Its estimate counts what is read again for each tile.
    assert 3 * n * n * 2 <= figures.bytes_accessed <= 3 * (3 * n * n * 2)
    assert (figures.arguments, figures.outputs, figures.aliased) == (2 * n * n * 2, n * n * 2, 0)
    assert figures.seconds > 0


def test_a_variable_shares_its_place_with_its_new_value():
    variable = tf.Variable(tf.zeros([256, 128]))
    figures = compiled(lambda x: variable.assign_add(x), tf.TensorSpec([256, 128]))
    assert figures.aliased == 256 * 128 * 4


@pytest.mark.parametrize(
    ("name", "chips", "replicas"),
    [
        ("v2:2x2", 4, 8),
        ("v3:4x4", 16, 32),
        ("v4:2x2x1", 4, 4),
        ("v4:4x4x4", 64, 64),
        ("v5e:4x4", 16, 16),
        ("v5p:2x2x1", 4, 4),
        ("v6e:2x4", 8, 8),
        ("tpu7x:2x2x1", 4, 8),
    ],
)
def test_topologies_are_those_of_libtpu(name, chips, replicas):
    """`compile_for` raises where libtpu has another number of devices than `replicas`."""
    topology = parse_topology(name)
    assert (topology.chips, topology.replicas) == (chips, replicas)
    assert compiled(lambda x: x + 1.0, tf.TensorSpec([8]), topology=name).flops == 8


@pytest.mark.parametrize("name", ["v7:2x2", "v5e", "v5e:2x2x2", "v4:2x2", "v5e:0x2", "v5e:2x", ""])
def test_wrong_topologies(name):
    with pytest.raises(ValueError, match=rf"`topology`.*Received: topology='{name}'"):
        parse_topology(name)


def test_a_topology_that_no_tpu_has():
    with pytest.raises(ValueError, match=r"one that libtpu knows.*topology='v5e:3x7'"):
        compiled(lambda x: x + 1.0, tf.TensorSpec([8]), topology="v5e:3x7")


def test_what_does_not_fit_into_memory_is_refused():
    with pytest.raises(CompilationError, match=r"v5e:1x1 cannot run it.*exceeds available HBM"):
        compiled(lambda x: x + 1.0, tf.TensorSpec([70000, 70000]))  # 2 x 18 GiB of 16


def test_removing_copies_keeps_the_numbers():
    """jax runs, on the CPU, the program as it would go to the TPU; TensorFlow runs its own."""
    weight = tf.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.tanh(x @ weight) ** 2)
        weight.assign_sub(0.1 * tape.gradient(loss, weight))
        return loss

    function = tf.function(step, jit_compile=True)
    x = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    before = weight.numpy()
    module = compile_only.load(function.experimental_get_compiler_ir(x)("stablehlo_serialized"))
    assert "mhlo.copy" not in str(module)
    loss, after = run_on_cpu(module, [x, before])
    np.testing.assert_allclose(loss, function(tf.constant(x)), rtol=1e-6)
    np.testing.assert_allclose(after, weight.numpy(), rtol=1e-6)
    assert not np.array_equal(after, before)


def run_on_cpu(module, arguments):
    import jax
    from jax._src import compiler

    (device,) = jax.devices("cpu")[:1]
    options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
    devices = compile_only._jax().extension.DeviceList((device,))
    program = device.client.compile_and_load(module, devices, options)
    return [
        np.asarray(x[0])
        for x in program.execute_sharded(
            [jax.device_put(x, device) for x in arguments]
        ).disassemble_into_single_device_arrays()
    ]


def report(layer="bn_relu", **figures):
    values = {
        **{
            "arguments": 100,
            "outputs": 90,
            "aliased": 80,
            "temporaries": 70,
            "code": 60,
        },
        **{"bytes_accessed": 9e9, "flops": 123e12, "transcendentals": 0.0, "seconds": 1.0},
        **figures,
    }
    return Report(
        "resnet50", layer, parse_topology("v3:2x2"), 64, 224, 1, Compiled(**values), "jax"
    )


def test_roofline_is_of_one_replica():
    """A v3 chip's two cores are two replicas: 61.5 Tflop/s and 450 GB/s each."""
    bound_by_flops, bound_by_bytes = report(), report(bytes_accessed=1800e9)
    assert bound_by_flops.roofline_seconds == pytest.approx(2.0)
    assert bound_by_flops.as_dict()["roofline_bound"] == "compute"
    assert bound_by_bytes.roofline_seconds == pytest.approx(4.0)
    assert bound_by_bytes.as_dict()["roofline_bound"] == "memory"
    assert bound_by_bytes.as_dict()["hbm_bytes"] == 100 + 90 - 80 + 70 + 60


def test_table_shows_layers_side_by_side():
    lines = table([report(), report("evonorm_s0", temporaries=140)]).splitlines()
    assert "resnet50 on jax, 224x224" in lines[0] and "8 replicas of v3:2x2" in lines[0]
    assert lines[1].split() == ["bn_relu", "evonorm_s0"]
    (temporaries,) = [line for line in lines if "temporaries" in line]
    assert temporaries.endswith("(2.00x)")
    assert len({len(line) for line in lines[1:] if line}) == 1


def test_command_prints_json(capsys):
    arguments = ["--model=resnet_small", "--layer=evonorm_s0", "--topology=v6e:1x1", "--batch=4"]
    aot_compile.main([*arguments, "--json"])
    (line,) = capsys.readouterr().out.splitlines()
    figures = json.loads(line)
    assert figures["model"] == "resnet_small" and figures["layer"] == "evonorm_s0"
    assert figures["backend"] == "tensorflow"
    assert (figures["replicas"], figures["batch_per_replica"], figures["image_size"]) == (1, 4, 8)
    assert figures["temporary_bytes"] > 0 and math.isfinite(figures["roofline_seconds"])
    assert "optimal_seconds" not in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model=resnet51 --layer=frn --topology=v5e:1x1", r"network='resnet51'"),
        ("--model=resnet50 --layer=nothing --topology=v5e:1x1", r"norm_act='nothing'"),
        ("--model=resnet50 --layer=frn --topology=v9:1x1", r"topology='v9:1x1'"),
        ("--model=resnet50 --compare=frn,none --topology=v5e:1x1", r"norm_act='none'"),
    ],
)
def test_command_says_what_is_wrong(arguments, message):
    with pytest.raises(SystemExit, match=rf"^aot_compile: .*{message}"):
        aot_compile.main(arguments.split())


@pytest.mark.parametrize(
    ("network", "size", "optimizer"),
    [
        ("resnet50", [224, 224, 3], "sgd"),
        ("efficientnet_b5", [456, 456, 3], "rmsprop"),
        ("efficientnet_b3", [300, 300, 3], "sgd"),  # no experiment has it
        ("resnet_small", [8, 8, 1], "sgd"),
    ],
)
def test_a_step_is_configured_as_the_networks_experiments(network, size, optimizer):
    params = training_step.configure(network, "evonorm_s0")
    assert params.task.model.network == network
    assert params.task.model.input_size == size
    assert params.trainer.optimizer_config.optimizer.type == optimizer
    assert params.runtime.mixed_precision_dtype == "bfloat16"
    assert training_step.configure(network, "frn", 64).task.model.input_size[:2] == [64, 64]
