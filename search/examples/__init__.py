"""Worked examples of data, networks and objectives of a user's own (docs/own_task.md)."""
