"""Images and labels that a user's own function returns."""

from typing import Any

from trainers import named_function
from trainers.data import arrays
from trainers.errors import TrainersError


def read(name: str) -> dict[str, Any]:
    """The arrays x_train, y_train and, if it returns four, x_test and y_test.

    Args:
      name: `module:function`; the function takes no argument. Each worker calls it, so it must
        return the same arrays each time.

    Raises:
      TrainersError: in one line, for a function that cannot be called or returns something else.
    """
    returned = named_function.call(name)
    if not isinstance(returned, (tuple, list)) or len(returned) not in (2, 4):
        length = f" of {len(returned)}" if isinstance(returned, (tuple, list)) else ""
        raise TrainersError(
            "the function must return (x_train, y_train) or (x_train, y_train, x_test, y_test). "
            f"Received: {type(returned).__name__}{length}"
        )
    return dict(zip(arrays.NAMES, returned, strict=False))
