"""How far layers are from being scale-invariant, where the answer is known."""

import numpy as np
import pytest

from benchmarks import scale_invariance
from benchmarks.proxy_fidelity import UNNORMALIZED
from evonorm_tf import registry

HOMOGENEOUS = 9 / 11  # |10 f - f| / (|10 f| + |f|)


def test_relu_is_as_far_as_a_linear_layer():
    found = scale_invariance.deviation(UNNORMALIZED["relu"])
    assert found == pytest.approx([HOMOGENEOUS, HOMOGENEOUS])


@pytest.mark.parametrize("name", ["evonorm_b0", "evonorm_b2"])
def test_b0_and_b2_are_invariant_but_for_epsilon(name):
    output, gradient = scale_invariance.deviation(registry.graph(name))
    assert max(output, gradient) < 0.01


def test_a_keras_layer_is_measured_as_its_graph_is():
    graph = scale_invariance.deviation(registry.graph("evonorm_s0"))
    layer = scale_invariance._deviation_of(scale_invariance._keras_layer("evonorm_s0"))
    assert layer == pytest.approx(graph, rel=1e-6)
    assert scale_invariance._deviation_of(
        scale_invariance._keras_layer("bn_relu")
    ) == pytest.approx([0, 0], abs=1e-3)


def test_what_is_not_finite_is_as_far_as_can_be():
    with np.errstate(invalid="ignore"):
        assert scale_invariance._distance(np.array([np.inf]), np.array([1.0])) == 1.0
    assert scale_invariance._distance(np.zeros(3), np.zeros(3)) == 0.0


def test_the_report_counts_invariant_layers():
    rows = [[0.0, 0.5], [0.009, 0.0], [0.011, 0.2], [0.8, 0.8]]
    result = {"known": {"bn_relu": [0.0, 0.001]}, "populations": {"random": rows}}
    lines = scale_invariance.report(result).splitlines()
    assert lines[2] == "| random | 4 | 50 % (15 to 85) | 25 % (5 to 70) |"
    assert lines[-1] == "| `bn_relu` | 0.000 | 0.001 |"
