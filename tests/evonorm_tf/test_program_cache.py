"""Which layers share XLA programs, and what the cache of programs keeps."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.xla import programs
from tests.evonorm_tf.program_cases import EVERYDAY, SHAPES, arrays, first_order, layer_of


@pytest.fixture
def made(monkeypatch):
    """The programs that a test has made."""
    monkeypatch.setattr(programs, "_PROGRAMS", {})
    return programs._PROGRAMS


@pytest.mark.slow
@pytest.mark.one_environment
@pytest.mark.usefixtures("all_sizes_in_programs")
def test_layers_share_programs_where_all_that_matters_is_equal(made):
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(SHAPES[0]))

    def run(layer):
        layer.build(x.shape)
        return first_order(layer, x, upstream)[0].numpy(), len(made)

    output, count = run(en.EvoNormS0(groups=4))
    assert count == run(en.EvoNormS0(groups=4))[1] == 2
    graph = en.registry.graph("evonorm_s0")
    for other in (
        en.EvoNormS0(groups=8),
        en.EvoNormS0(groups=4, epsilon=0.1),
        en.GraphLayer(graph, groups=8, epsilon=0.1),
        en.GraphLayer(graph, groups=4, epsilon=0.1),
    ):
        different, after = run(other)
        assert after - count == 2
        assert np.abs(different - output).max() > 1e-3
        count = after


@pytest.mark.usefixtures("all_sizes_in_programs")
def test_programs_keep_no_layer_alive(made):
    layer = layer_of("evonorm_s0", SHAPES[0])
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(SHAPES[0]))
    first_order(layer, x, upstream)
    gone = weakref.ref(layer)
    del layer
    gc.collect()
    assert len(made) == 2
    assert gone() is None


class _Scaled(en.EvoNormS0):
    """Its coefficients read an attribute of the layer, which no base knows of."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def _coefficients(self, moments, context, **weights):
        coefficients = super()._coefficients(moments, context, **weights)
        values = {**coefficients.values, "scale": self.factor * coefficients.values["scale"]}
        return coefficients._replace(values=values)


@pytest.mark.usefixtures("all_sizes_in_programs")
def test_coefficients_that_read_the_layer_share_no_program(made):
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(SHAPES[0]))
    outputs = []
    layers = [_Scaled(1.0), _Scaled(2.0)]
    for layer in layers:
        layer.build(x.shape)
        outputs.append(first_order(layer, x, upstream)[0].numpy())
    np.testing.assert_allclose(outputs[1], 2.0 * outputs[0], rtol=1e-5, atol=1e-6)
    layers[1].factor = 4.0
    changed = first_order(layers[1], x, upstream)[0]
    np.testing.assert_allclose(changed, 4.0 * outputs[0], rtol=1e-5, atol=1e-6)
    assert made and not any("_Scaled" in repr(key) for key in made)


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize("name", EVERYDAY)
def test_the_cache_key_holds_no_layer_and_no_tensor(name):
    layer = layer_of(name, SHAPES[0])
    computation = layer._computation(tf.zeros(SHAPES[0]), True)
    key = computation.cache_key()
    assert (
        key is not None
        and key == layer_of(name, SHAPES[0])._computation(tf.zeros(SHAPES[0]), True).cache_key()
    )
    layer.epsilon = 0.5
    assert layer._computation(tf.zeros(SHAPES[0]), True).cache_key() != key
