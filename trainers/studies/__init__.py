"""Studies: grids of trainings over layers, networks, settings and seeds, with their statistics."""
