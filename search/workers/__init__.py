"""The pools that run evaluations, on local processes or as Ray tasks, and their reports."""
