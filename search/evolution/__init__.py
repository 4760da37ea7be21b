"""The algorithm: graphs, selection, population; pure functions of (state, rng)."""
