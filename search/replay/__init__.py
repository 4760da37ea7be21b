"""Searches replayed on a table of layers whose verdicts are known, without any training."""
