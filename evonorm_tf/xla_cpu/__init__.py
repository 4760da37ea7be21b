"""The fused layers' passes as XLA programs, for training on CPUs."""
