"""What the search emits for those who watch: events, log lines, a display, metrics."""
