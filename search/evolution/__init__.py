"""The search algorithm as pure functions of (state, rng): graphs, selection, population."""
