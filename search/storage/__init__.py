"""The run folder: one SQLite file, its rows, and the checks that they pass when read."""
