"""What users read of TensorFlow's errors."""

import pytest
import tensorflow as tf

from trainers.errors import reason


@pytest.mark.parametrize("graph", [False, True])
def test_a_reason_has_no_names_of_functions_and_operations(graph):
    run = tf.function(tf.io.decode_png) if graph else tf.io.decode_png
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[Op:") as caught:
        run(tf.constant(b"none"))
    found = reason(caught.value)
    assert found.startswith("Unknown image file format") and found.endswith("required."), found


def test_a_reason_is_one_line():
    with pytest.raises(tf.errors.InvalidArgumentError, match="\n") as caught:
        tf.debugging.assert_equal(tf.range(2), [0, 2])
    assert reason(caught.value) == "Condition x == y did not hold."


def test_an_error_without_text_has_its_name():
    assert reason(KeyboardInterrupt()) == "KeyboardInterrupt"
