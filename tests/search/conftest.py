"""The order of the search's tests."""


def pytest_collection_modifyitems(items):
    """The longest first: it would be the last, and one of two processes idle."""
    items.sort(key=lambda item: item.path.name != "test_kill.py")
