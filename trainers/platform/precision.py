"""The precision of an experiment as a policy of Keras."""

from trainers.errors import TrainersError

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def policy_of(dtype: str | None) -> str:
    """The name of the dtype policy for `runtime.mixed_precision_dtype`; None is float32.

    Raises:
      TrainersError: for an unknown precision.
    """
    if (dtype or "float32") not in _POLICIES:
        raise TrainersError(
            f"`runtime.mixed_precision_dtype` must be one of {', '.join(_POLICIES)}. "
            f"Received: mixed_precision_dtype={dtype!r}"
        )
    return _POLICIES[dtype or "float32"]
