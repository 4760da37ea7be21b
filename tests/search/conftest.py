"""Fixtures of the search's tests."""

import pytest

from evonorm_tf import registry


@pytest.fixture
def own_registry(monkeypatch):
    """Registrations of a test that are gone after it."""
    for name in ("_layers", "_graphs"):
        monkeypatch.setattr(registry.BUILTIN, name, dict(getattr(registry.BUILTIN, name)))
