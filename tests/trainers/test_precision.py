"""The policy of Keras that each precision of an experiment stands for."""

import pytest

from trainers.errors import TrainersError
from trainers.platform import precision

POLICIES = {
    None: "float32",
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


@pytest.mark.parametrize("dtype", POLICIES)
def test_each_precision_has_its_policy(dtype):
    assert precision.policy_of(dtype) == POLICIES[dtype]


def test_an_unknown_precision_is_refused():
    expected = r"must be one of float32, bfloat16, float16.*mixed_precision_dtype='float64'"
    with pytest.raises(TrainersError, match=expected):
        precision.policy_of("float64")
