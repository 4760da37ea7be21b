"""The progress of a search: events, and log lines, a display and metrics that show them."""
