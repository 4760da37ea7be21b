"""A process of their own for traces."""

import pytest


@pytest.fixture(scope="session")
def tracing_process():
    """Runs function(*arguments) in a process of its own."""
    from tests.trainers import tracing

    with tracing.processes() as pool:
        yield lambda function, *arguments: pool.apply_async(function, arguments).get(timeout=1800)
