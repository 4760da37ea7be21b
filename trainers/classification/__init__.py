"""Image classification with the networks of `trainers.models` (paper, section 5.1)."""
