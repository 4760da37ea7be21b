"""Where evaluations run: pools of local processes and of Ray tasks, and their reports."""
