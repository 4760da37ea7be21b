"""Processor seconds of one call, in which other programs on the machine matter little."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def timed(work: Callable[..., Result], *arguments: object) -> tuple[Result, float]:
    """The result of a call, and its processor seconds."""
    start = time.process_time()
    result = work(*arguments)
    return result, time.process_time() - start
