"""Every layer of the registry compiles for every TPU generation."""

import functools
import itertools

import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

import evonorm_tf as en

pytest.importorskip("libtpu", reason="needs the group tpu: make test-tpu")
from tests.tiers import tiered
from tests.tpu_scripts import tiny_step
from tpu_scripts import compile_only
from tpu_scripts.compile_only import CompilationError

TOPOLOGIES = ("v2:2x2", "v3:2x2", "v4:2x2x1", "v5e:2x2", "v5p:2x2x1", "v6e:2x2", "tpu7x:2x2x1")
# Before a merge each generation, with layers of all kinds.
KINDS = ("bn_relu", "evonorm_b0", "evonorm_b2", "evonorm_s0", "frn", "rs_rej", "ln_relu")
CASES = tiered(
    itertools.product(en.names(), TOPOLOGIES), slow=[*zip(KINDS, TOPOLOGIES, strict=True)]
)


@functools.lru_cache(maxsize=2)
def lowered(layer, replicas):
    return tiny_step.lower(layer, replicas)


@pytest.mark.parametrize(("layer", "topology"), CASES)
def test_layer_compiles(layer, topology):
    where = compile_only.parse_topology(topology)
    step = lowered(layer, where.replicas)
    compiled = compile_only.compile_for(step.stablehlo, where)
    # Forward and two backward convolutions of 16 to 16 channels alone are this many.
    assert compiled.flops > 3 * 2 * tiny_step.BATCH * 8 * 8 * 16 * 16 * 9 * 0.5
    # Weights and momentum are float32 arguments, images and labels too.
    inputs = 4 * tiny_step.BATCH * (8 * 8 * 3 + 1)
    assert compiled.arguments >= 2 * 4 * step.parameters + inputs
    assert compiled.aliased >= 2 * 4 * step.parameters
    assert 0 < compiled.temporaries < compiled.hbm < where.generation.replica_hbm_bytes


@pytest.mark.parametrize("topology", tiered(["v3:4x4", "v4:4x4x4"], slow=["v3:4x4"]))
def test_a_pods_step_compiles(topology):
    """Synchronized statistics among all replicas of several hosts included."""
    where = compile_only.parse_topology(topology)
    step = tiny_step.lower("evonorm_b0", where.replicas, synchronized=True)
    assert compile_only.compile_for(step.stablehlo, where).flops > 0


def all_reduces(step):
    return str(compile_only.load(step.stablehlo)).count('"stablehlo.all_reduce"')


def test_synchronized_statistics_are_reduced_among_replicas():
    alone = all_reduces(tiny_step.lower("evonorm_b0"))
    gradients = all_reduces(tiny_step.lower("evonorm_b0", 4))
    shared = all_reduces(tiny_step.lower("evonorm_b0", 4, synchronized=True))
    assert alone == 0
    # Kernel, and gamma, beta, v of each layer, dense kernel and bias; whether all is finite.
    assert gradients >= 8
    assert shared > gradients


class Broken(tf.keras.layers.Layer):
    """A norm-act layer that does with its input what a TPU cannot do."""

    def __init__(self, break_it, **kwargs):
        super().__init__(**kwargs)
        self.break_it = break_it

    def call(self, x):
        return self.break_it(x)


def boolean_mask(x):
    return x + tf.reduce_sum(tf.boolean_mask(x, x > 0))


def python_code(x):
    y = tf.py_function(lambda value: value * 2, [x], x.dtype)
    return tf.ensure_shape(y, x.shape)


def numpy_code(x):
    y = tf.numpy_function(lambda value: value * 2, [x], x.dtype)
    return tf.ensure_shape(y, x.shape)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (boolean_mask, "without static sizes.*boolean_mask"),
        (python_code, "XLA cannot compile this step.*EagerPyFunc"),
        (numpy_code, "XLA cannot compile this step.*PyFunc"),
    ],
)
def test_a_layer_that_a_tpu_would_refuse_fails(break_it, message):
    def make(nonlinearity, name):
        return Broken(break_it, name=name)

    with pytest.raises(ValueError, match=f"(?s){message}"):
        compile_only.load(tiny_step.lower(make).stablehlo)


def serialized(function):
    compiled = tf.function(function, jit_compile=True)
    return compiled.experimental_get_compiler_ir(tf.TensorSpec([4]))("stablehlo_serialized")


def test_sizes_known_only_at_run_time_are_refused():
    module = serialized(lambda x: tf.reduce_sum(tf.gather_nd(x, tf.where(x > 0))))
    with pytest.raises(CompilationError, match=r"known only at run time: .*\?"):
        compile_only.load(module)


def test_code_of_the_host_is_refused():
    def call_host(x):
        (y,) = gen_xla_ops.xla_custom_call_v2(
            operands=[x],
            call_target_name="host_code",
            backend_config="",
            has_side_effect=False,
            result_dtypes=[tf.float32],
            result_shapes=[tf.TensorShape([4])],
        )
        return y

    with pytest.raises(CompilationError, match=r"calls code of the host.*host_code"):
        compile_only.load(serialized(call_host))
